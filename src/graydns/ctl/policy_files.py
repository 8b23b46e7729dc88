"""``graydnsctl policy``: the commands that make keys and signatures of release policies, offline."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from graydns.ctl.cli_context import CommandError, JsonGroup, print_result, wants_json
from graydns.ctl.output import print_error, print_json, print_line

if TYPE_CHECKING:
    from graydns.config.release_policy import ReleasePolicy
    from graydns.control.policy.signatures import Ed25519Signer, HmacSecret

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

ED25519, HMAC_SHA256 = "ed25519", "hmac-sha256"


@click.group(cls=JsonGroup)
def policy() -> None:
    """Release policies in Consul's KV, their keys and signatures.

    keygen and sign work offline; the others need the server and Consul.
    """


def key_id_option(function: FunctionT) -> FunctionT:
    """Add the option --id to a command."""
    text = "What the configuration and the signatures call the key."
    return click.option("--id", "key_id", default="k1", show_default=True, metavar="ID", help=text)(function)


@policy.command("keygen")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--algorithm", type=click.Choice((ED25519, HMAC_SHA256)), default=ED25519, show_default=True)
@key_id_option
def keygen(file: Path, algorithm: str, key_id: str) -> None:
    """Make a key that signs policies, in the new FILE, and print its entry for graydns.yaml.

    An Ed25519 FILE stays with those who sign. An HMAC FILE is needed by every graydns too, which can sign with it.
    """
    from graydns.control.policy.signatures import generate_private_key, generate_secret

    check_key_id(key_id)
    made = generate_private_key() if algorithm == ED25519 else generate_secret()
    try:
        write_private_file(file, made.dump())
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", wants_json()) from None
    entry = {"id": key_id, **describe_key(made, file)}
    print_result({"file": str(file), "algorithm": algorithm, "key": entry}, print_key)


@policy.command("sign")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", "key_file", type=click.Path(path_type=Path), required=True, help="A file that keygen made.")
@key_id_option
@click.option("--output", type=click.Path(path_type=Path), help="Write here instead of to standard output.")
def sign(file: Path, key_file: Path, key_id: str, output: Path | None) -> None:
    """Sign the policy in FILE, and print it with its signature, as JSON for `policy push`."""
    from graydns.control.policy.signatures import read_signer
    from graydns.control.policy.signatures import sign_policy as make

    check_key_id(key_id)
    strategy = load_policy(file)
    try:
        signed = make(strategy, read_signer(key_file), key_id)
    except ValueError as error:
        raise CommandError(str(error), wants_json()) from None
    print_warnings(strategy)
    if output is None:
        print_json({"ok": True, "result": signed} if wants_json() else signed)
        return
    import json

    try:
        output.write_text(json.dumps(signed, indent=1) + "\n", encoding="ascii")
    except OSError as error:
        raise CommandError(f"{output}: {error.strerror}", wants_json()) from None
    print_result({"file": str(output), "revision": strategy.meta.revision, "key": key_id}, print_signed)


def load_policy(file: Path) -> ReleasePolicy:
    """The policy in *file*, YAML or JSON. Raises CommandError with every error in it."""
    from graydns.config.document import read_document
    from graydns.config.release_policy import ReleasePolicy
    from graydns.config.schema import read_typed
    from graydns.model.errors import ConfigError

    try:
        return read_typed(read_document(file), ReleasePolicy)
    except ConfigError as error:
        raise CommandError(str(error), wants_json()) from None


def print_warnings(strategy: ReleasePolicy) -> None:
    """Print the parts of *strategy* that have no effect, as warnings."""
    from graydns.config.release_policy import list_http_warnings

    for warning in list_http_warnings(strategy):
        print_error(f"warning: {warning}")


def check_key_id(key_id: str) -> None:
    """Raise click.UsageError unless *key_id* is an id for a key in a configuration."""
    from graydns.config.issues import ValidationError
    from graydns.config.scalar import Identifier

    try:
        Identifier()(key_id)
    except ValidationError as error:
        raise click.UsageError(f"--id is {error.issues[0].expected}") from None


def write_private_file(file: Path, content: bytes) -> None:
    """Create *file* with mode 0600. Raises OSError."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def describe_key(key: Ed25519Signer | HmacSecret, file: Path) -> dict[str, str]:
    """The entry of *key*, which is in *file*, for a configuration."""
    import base64

    from graydns.control.policy.signatures import HmacSecret

    if isinstance(key, HmacSecret):
        return {"hmac_sha256_file": str(file)}
    return {"ed25519": base64.b64encode(key.public.octets).decode()}


def print_key(made: dict[str, Any]) -> None:
    """Print a new key; the second line is its entry for graydns.yaml."""
    import json

    print_line(f"wrote {made['file']}; in graydns.yaml, consul: policy: keys:")
    print_line(f"- {{{', '.join(f'{name}: {json.dumps(value)}' for name, value in made['key'].items())}}}")


def print_signed(made: dict[str, Any]) -> None:
    """Print where a signed policy was written."""
    print_line(f"wrote {made['file']}: revision {made['revision']}, signed with {made['key']}")
