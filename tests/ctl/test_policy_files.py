"""``graydnsctl policy keygen`` and ``policy sign``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from graydns.config.release_policy import ReleasePolicy
from graydns.config.schema import structure_as
from graydns.control.policy.acceptance import AcceptanceState, AcceptanceTerms, evaluate_listing
from graydns.control.policy.revisions import active_key
from graydns.control.policy.signatures import encode_kv_entries, load_verifiers
from graydns.ctl.main import main
from tests.config.files import load_main

POLICY = """\
meta: {format: graydns-policy-1, prefix: gray/, datacenter: dc1, tenant: t-demo, revision: 3}
route:
  - {name: vip, when: {source: 10.2.0.0/16}, then: {version: canary}, path: /v1/*, method: GET}
percent: {api.shop.test: {canary: 12.5}}
"""

WARNING = "warning: route vip: path and method kept as metadata; DNS never matches on them\n"


def policy(folder: Path, *words: str) -> Result:
    """Run it; the words that begin with @ are files in *folder*."""
    named = [str(folder / word[1:]) if word.startswith("@") else word for word in words]
    return CliRunner().invoke(main, ["policy", *named])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a policy in it."""
    (tmp_path / "p.yaml").write_text(POLICY)
    (tmp_path / "zones").mkdir()
    return tmp_path


@pytest.mark.parametrize("algorithm", ["ed25519", "hmac-sha256"])
def test_a_signed_policy_is_accepted_with_the_printed_key(algorithm: str, folder: Path) -> None:
    """The entry that keygen prints is valid in graydns.yaml, and verifies what sign prints."""
    made = policy(folder, "keygen", "@k", "--algorithm", algorithm, "--id", "k9")
    assert (made.exit_code, made.stderr) == (0, "")
    entry = made.stdout.splitlines()[1]
    (folder / "graydns.yaml").write_text(f"consul:\n  policy:\n    keys:\n    {entry}\n")
    signed = policy(folder, "sign", "@p.yaml", "--key", "@k", "--id", "k9")
    assert (signed.exit_code, signed.stderr) == (0, WARNING)

    consul = load_main(folder / "graydns.yaml").consul
    assert consul is not None
    assert consul.policy is not None
    terms = AcceptanceTerms("gray/", "dc1", None, load_verifiers(consul.policy))
    listing = {**encode_kv_entries(json.loads(signed.stdout)), active_key("gray/"): b"3"}
    _, revision = evaluate_listing(AcceptanceState(), listing, terms, 0.0)
    assert revision is not None
    assert (revision.number, revision.signed_by) == (3, "k9")
    assert revision.strategy == structure_as(yaml.load(POLICY, yaml.BaseLoader), ReleasePolicy)[0]


def test_a_key_file_has_mode_0600_and_is_not_overwritten(folder: Path) -> None:
    """An existing file is an error."""
    assert policy(folder, "keygen", "@k").exit_code == 0
    before = (folder / "k").read_bytes()
    assert (folder / "k").stat().st_mode & 0o777 == 0o600
    again = policy(folder, "keygen", "@k")
    assert (again.exit_code, again.stderr) == (1, f"{folder / 'k'}: File exists\n")
    assert (folder / "k").read_bytes() == before


def test_a_signed_policy_can_be_signed_again(folder: Path) -> None:
    """With another key, and into a file."""
    policy(folder, "keygen", "@a")
    policy(folder, "keygen", "@b", "--algorithm", "hmac-sha256")
    done = policy(folder, "sign", "@p.yaml", "--key", "@a", "--output", "@s.json")
    assert (done.exit_code, done.stderr) == (0, WARNING)
    assert done.stdout == f"wrote {folder / 's.json'}: revision 3, signed with k1\n"
    first = json.loads((folder / "s.json").read_text())
    second = json.loads(policy(folder, "sign", "@s.json", "--key", "@b").stdout)
    assert first.pop("signature") != second.pop("signature")
    assert first == second


def test_json_output_is_one_object(folder: Path) -> None:
    """Of keygen and of sign."""
    printed = json.loads(policy(folder, "keygen", "@k", "--json").stdout)
    assert printed["result"].keys() == {"file", "algorithm", "key"}
    printed = json.loads(policy(folder, "sign", "@p.yaml", "--key", "@k", "--json").stdout)
    assert printed["result"].keys() == {"meta", "route", "weight", "percent", "whitelist", "signature"}
    failed = policy(folder, "sign", "@none", "--key", "@k", "--json")
    assert (failed.exit_code, json.loads(failed.stdout)["ok"]) == (1, False)


def test_an_invalid_policy_is_not_signed(folder: Path) -> None:
    """Every error has its line and column."""
    policy(folder, "keygen", "@k")
    text = POLICY.replace("12.5", "112").replace("revision: 3", "revision: 0")
    text = text.replace("when: {source: 10.2.0.0/16}, ", "")
    (folder / "p.yaml").write_text(text)
    result = policy(folder, "sign", "@p.yaml", "--key", "@k")
    assert (result.exit_code, result.stdout) == (1, "")
    places = [line.removeprefix(str(folder)).split(": ")[:2] for line in result.stderr.splitlines()]
    assert places == [
        ["/p.yaml:1:92", "meta.revision"],
        ["/p.yaml:3:5", "route.0"],
        ["/p.yaml:4:35", "percent.api.shop.test.canary"],
    ]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["keygen", "@none/k"], 1),
        (["keygen", "@k", "--id", "a b"], 2),
        (["keygen", "@k", "--algorithm", "rsa"], 2),
        (["sign", "@p.yaml", "--key", "@none"], 1),
        (["sign", "@p.yaml", "--key", "@p.yaml"], 1),
        (["sign", "@p.yaml"], 2),
        (["sign", "@p.yaml", "--key", "@k2", "--output", "@none/s"], 1),
    ],
)
def test_invalid_arguments_are_errors(words: list[str], status: int, folder: Path) -> None:
    """Of one line; nothing is written."""
    policy(folder, "keygen", "@k2")
    before = sorted(folder.iterdir())
    result = policy(folder, *words)
    assert result.exit_code == status
    assert "Traceback" not in result.output
    assert sorted(folder.iterdir()) == before
