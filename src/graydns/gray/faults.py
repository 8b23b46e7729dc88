"""Where a fault belongs: a place in a file, and the list that gathers all faults of a load."""

from __future__ import annotations

from attrs import frozen

from graydns.model.errors import Fault, Path


@frozen
class Faults:
    """A place (*path* in *file*) that faults can be added to; all places of a load share *sink*."""

    sink: list[Fault]
    file: str = ""
    path: Path = ()

    def under(self, *steps: str | int) -> Faults:
        """The place *steps* further down."""
        return Faults(self.sink, self.file, self.path + steps)

    def add(self, found: str, expected: str, *steps: str | int) -> None:
        """Note that *steps* further down *found* stands where *expected* should."""
        self.sink.append(Fault(self.path + steps, found, expected, file=self.file))
