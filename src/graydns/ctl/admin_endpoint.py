"""The endpoint of an admin interface, as text and in ./graydns.yaml, and the login for it.

This module does not import Twisted, so that a command without a server starts fast.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeAlias

from attrs import field, frozen

DEFAULT_CONFIG_FILE = Path("graydns.yaml")
DEFAULT_SETTINGS = {"admin": "unix:var/admin.sock", "data": "var/"}

TLS_ENDPOINT_PATTERN = re.compile(r"tls://(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::([1-9][0-9]{0,4}))?")
DEFAULT_TLS_PORT = 853

#: A key at the start of a line with a value that can be read without a YAML parser.
SIMPLE_KEY_PATTERN = re.compile(
    r"""^(admin|data):[ ]+(["']?)([^\s"'#{\[&*!|>%@`][^\s"']*)\2[ \t]*(?:\#.*)?$""", re.MULTILINE
)


@frozen
class UnixAdminEndpoint:
    """A Unix socket."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


@frozen
class TlsAdminEndpoint:
    """A TCP port with TLS. The certificate of the server must be valid for *host*."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tls://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


AdminEndpoint: TypeAlias = UnixAdminEndpoint | TlsAdminEndpoint


def parse_endpoint(text: str) -> AdminEndpoint:
    """``unix:PATH`` or ``tls://HOST:PORT``. Raises ValueError."""
    if text.startswith("unix:") and len(text) > len("unix:"):
        return UnixAdminEndpoint(Path(text.removeprefix("unix:")))
    if (match := TLS_ENDPOINT_PATTERN.fullmatch(text)) and int(match[3] or DEFAULT_TLS_PORT) <= 65535:
        return TlsAdminEndpoint(match[1] or match[2], int(match[3] or DEFAULT_TLS_PORT))
    raise ValueError(f"{text!r} is neither unix:PATH nor tls://HOST:PORT")


def read_configured(key: str) -> str:
    """Return the value of *key* (``admin`` or ``data``) in ./graydns.yaml; its default without the key or the file."""
    try:
        text = DEFAULT_CONFIG_FILE.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return DEFAULT_SETTINGS[key]
    for match in SIMPLE_KEY_PATTERN.finditer(text):
        if match[1] == key:
            return match[3]
    return _read_composed(text, key) if key in text else DEFAULT_SETTINGS[key]


def _read_composed(text: str, key: str) -> str:
    """As :func:`read_configured`, for text that needs a YAML parser, which is loaded only then."""
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return DEFAULT_SETTINGS[key]
    if isinstance(root, yaml.MappingNode):
        for name, value in root.value:
            if name.value == key and isinstance(value, yaml.ScalarNode):
                return str(value.value)
    return DEFAULT_SETTINGS[key]


class AdminClientError(Exception):
    """The server refused the operation or cannot be reached; the text says which, and why."""


@frozen
class AdminLogin:
    """The credentials for a TLS endpoint. *ca*, *certificate*, *key*: PEM files; no *ca* = the system's authorities."""

    name: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
