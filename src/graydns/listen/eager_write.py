"""Prompt: TCP connections that send at once."""

from __future__ import annotations

from twisted.internet import tcp


class EagerWriteConnection(tcp.Server):
    """Twisted's, which waits for the reactor to say that it may write, but for that wait.

    An idle socket nearly always takes a batch of answers whole. Asking first costs two system calls and a turn
    of the reactor; only what the kernel does not take goes that way, and then all that follows, in order.
    """

    _is_buffering = False

    def write(self, data: bytes) -> None:
        """Send *data*; what the client does not take now is kept for when it does."""
        if self.connected and not self._is_buffering:
            try:
                sent = self.socket.send(data)
            except OSError:
                sent = 0  # its buffer is full, or the client is gone: the reactor will meet that again
            if sent == len(data):
                return
            self._is_buffering = True
            data = data[sent:]
        super().write(data)  # type: ignore[no-untyped-call]

    def stopWriting(self) -> None:
        """All is sent, or nothing more can be."""
        self._is_buffering = False
        super().stopWriting()  # type: ignore[no-untyped-call]
