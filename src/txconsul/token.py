"""The ACL token that goes with every request."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from attrs import define, field, frozen

from txconsul.errors import TokenUnreadable

#: Where Consul's own tools look for a token.
VARIABLE = "CONSUL_HTTP_TOKEN"


class Token(Protocol):
    """Where a token comes from."""

    def current(self) -> str | None:
        """The token; None: ask as anonymous. Raises TokenUnreadable."""

    def doubt(self) -> None:
        """Consul did not accept it."""


def token_of(token: str | None, file: Path | str | None, environment: Mapping[str, str] = os.environ) -> Token:
    """*token*, else what *file* has at any time, else that of the environment. Raises ValueError if both are given."""
    if token is not None and file is not None:
        raise ValueError("a token and a token file: only one can hold")
    if file is not None:
        return FileToken(Path(file))
    return FixedToken(token or environment.get(VARIABLE) or None)


@frozen
class FixedToken:
    """A token that never changes; its text stays out of logs."""

    _text: str | None = field(repr=False)

    def current(self) -> str | None:
        """The token."""
        return self._text

    def doubt(self) -> None:
        """Nothing to do: there is no other."""


@define
class FileToken:
    """The first line of a file, read anew once the file has changed, or once Consul did not accept what was read.

    Without any token known nothing is sent: as anonymous most lists would be empty, with status 200. A file that
    vanishes or is empty for a while does no harm to what was read before.
    """

    _file: Path
    _text: str | None = field(default=None, init=False, repr=False)
    _stamp: tuple[int, int, int] | None = field(default=None, init=False, repr=False)

    def current(self) -> str | None:
        """The token. Raises TokenUnreadable."""
        try:
            status = self._file.stat()
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            if stamp != self._stamp:
                self._text = self._read() or self._text
                self._stamp = stamp
        except (OSError, ValueError) as error:
            if self._text is None:
                raise TokenUnreadable(f"cannot read the token file {self._file}: {error}") from None
        if self._text is None:
            raise TokenUnreadable(f"the token file {self._file} is empty")
        return self._text

    def doubt(self) -> None:
        """Read it again before the next request."""
        self._stamp = None

    def _read(self) -> str:
        return self._file.read_text(encoding="ascii").partition("\n")[0].strip()
