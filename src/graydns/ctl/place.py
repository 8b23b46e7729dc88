"""Places: where a server's admin interface is, and where the configuration here says that it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeAlias

from attrs import frozen

MAIN_FILE = Path("graydns.yaml")
DEFAULTS = {"admin": "unix:var/admin.sock", "data": "var/"}

TLS_PLACE = re.compile(r"tls://(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::([1-9][0-9]{0,4}))?")
TLS_PORT = 853

#: A key of a YAML file in block style with a value that needs no YAML to read.
SIMPLE = re.compile(r"""^(admin|data):[ ]+(["']?)([^\s"'#{\[&*!|>%@`][^\s"']*)\2[ \t]*(?:\#.*)?$""", re.MULTILINE)


@frozen
class UnixPlace:
    """A socket in the file system."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


@frozen
class TlsPlace:
    """A host, which its certificate must name, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tls://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


Place: TypeAlias = UnixPlace | TlsPlace


def parse_place(text: str) -> Place:
    """``unix:PATH`` or ``tls://HOST:PORT``. Raises ValueError."""
    if text.startswith("unix:") and len(text) > len("unix:"):
        return UnixPlace(Path(text.removeprefix("unix:")))
    if (match := TLS_PLACE.fullmatch(text)) and int(match[3] or TLS_PORT) <= 65535:
        return TlsPlace(match[1] or match[2], int(match[3] or TLS_PORT))
    raise ValueError(f"{text!r} is neither unix:PATH nor tls://HOST:PORT")


def configured(key: str) -> str:
    """What ./graydns.yaml says of *key*, ``admin`` or ``data``; its default where it says nothing, or is not there."""
    try:
        text = MAIN_FILE.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return DEFAULTS[key]
    for match in SIMPLE.finditer(text):
        if match[1] == key:
            return match[3]
    return _composed(text, key) if key in text else DEFAULTS[key]


def _composed(text: str, key: str) -> str:
    """As :func:`configured`, for what takes a YAML parser; it is loaded only then."""
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return DEFAULTS[key]
    if isinstance(root, yaml.MappingNode):
        for name, value in root.value:
            if name.value == key and isinstance(value, yaml.ScalarNode):
                return str(value.value)
    return DEFAULTS[key]
