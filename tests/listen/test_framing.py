from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from graydns.listen.framing import MessageDeframer
from tests.listen.tiny import framed

messages = st.lists(st.binary(max_size=300), max_size=8)


@given(messages, st.lists(st.integers(0, 2500), max_size=12))
def test_any_cut_of_the_stream_gives_the_same_messages(sent: list[bytes], cuts: list[int]) -> None:
    """However a stream is cut into segments, the messages in it come out whole and in order."""
    stream = framed(*sent)
    frames, got, at = MessageDeframer(), list[bytes](), 0
    for cut in [*sorted(cuts), len(stream)]:
        frames.feed(stream[at:cut])
        got += frames
        at = max(at, cut)
    assert got == sent


@given(messages, st.integers(1, 400))
def test_taking_messages_may_be_left_off_at_any_time(sent: list[bytes], size: int) -> None:
    """A message that was not taken is still there after more of the stream has been fed."""
    stream = framed(*sent)
    frames, got = MessageDeframer(), list[bytes]()
    for at in range(0, len(stream), size):
        frames.feed(stream[at : at + size])
        got += islice(frames, 1)
    assert got + list(frames) == sent


def test_the_largest_message_may_come_octet_by_octet() -> None:
    """A message of 65,535 octets that dribbles in is whole in the end."""
    message = bytes(range(256)) * 255 + bytes(255)
    frames, got = MessageDeframer(), list[bytes]()
    for octet in framed(message):
        frames.feed(bytes((octet,)))
        got += frames
    assert got == [message]


def test_empty_messages_are_messages() -> None:
    """A length of 0 is handed out as an empty message, for the listener to judge."""
    frames = MessageDeframer()
    frames.feed(framed(b"", b"x"))
    assert list(frames) == [b"", b"x"]
