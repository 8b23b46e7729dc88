"""One query per connection: connect, ask, read the answer, close; many at a time.

``python -m benchmarks.oneshot PORT FILE`` goes once through a wire file and prints what ``load.Outcome`` holds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dns.rcode
from attrs import define, field

from benchmarks.servers.server import HOST
from benchmarks.wirefile import read


@define
class Tally:
    sent: int = 0
    rcodes: Counter[str] = field(factory=Counter)


async def ask(message: bytes, port: int, context: ssl.SSLContext | None) -> str:
    """The rcode of the answer to *message*, asked over a connection of its own."""
    reader, writer = await asyncio.open_connection(HOST, port, ssl=context)
    try:
        writer.write(message)
        header = await reader.readexactly(14)
        await reader.readexactly(int.from_bytes(header[:2]) - 12)
    finally:
        writer.close()
        writer.transport.abort()  # close_notify is sent; not every server sends its own, for which close() waits
    return dns.rcode.to_text(dns.rcode.Rcode(header[5] & 15))


async def work(messages: Iterator[bytes], tally: Tally, options: argparse.Namespace) -> None:
    """One client: take *messages* until there are none left or time is up."""
    context = anonymous_context() if options.tls else None
    deadline = time.monotonic() + options.seconds
    for message in messages:
        if time.monotonic() > deadline:
            return
        tally.sent += 1
        try:
            async with asyncio.timeout(options.timeout):
                tally.rcodes[await ask(message, options.port, context)] += 1
        except (OSError, asyncio.IncompleteReadError):
            continue


def anonymous_context() -> ssl.SSLContext:
    """TLS as a client that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def run(options: argparse.Namespace) -> dict[str, object]:
    """Let all clients work; what ``load.Outcome`` holds."""
    messages, tally, began = iter(read(options.file)), Tally(), time.monotonic()
    await asyncio.gather(*(work(messages, tally, options) for _ in range(options.clients)))
    return {
        "sent": tally.sent,
        "lost": tally.sent - tally.rcodes.total(),
        "rcodes": dict(tally.rcodes),
        "seconds": time.monotonic() - began,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.oneshot", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--timeout", type=float, default=2.0)
    parser.add_argument("--tls", action="store_true")
    print(json.dumps(asyncio.run(run(parser.parse_args()))))


if __name__ == "__main__":
    main()
