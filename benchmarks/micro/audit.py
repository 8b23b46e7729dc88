"""What an audit line costs: CPU microseconds on the reactor's thread and on the one that writes, and lines per second.

``python benchmarks/micro/audit.py [--count 100000]``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from twisted.internet.task import Clock

from graydns.audit.audit_log import AuditLog, AuditLogBounds
from graydns.audit.hmac_chain import HmacChain
from graydns.audit.line_queue import LineQueue
from graydns.audit.line_writer import LINES_PER_BATCH, AuditWriter
from graydns.audit.validation_lines import ValidationLine, ValidationLineObserver, format_validation_fields
from graydns.audit.verification import verify_log_files
from graydns.config.settings import ClientPrefixSettings
from graydns.model.answer import Answer
from graydns.model.client import Client
from graydns.model.dnssec_values import RrsigInfo, Security, ValidationStatus
from graydns.model.name import from_text
from graydns.model.query import Query

KEY = bytes(32)

CLIENT = Client(bytes((192, 0, 2, 1)))


def queries(count: int, names: int) -> list[Query]:
    """*count* of them for *names* names."""
    return [Query(1, b"", b"", from_text(f"host{at % names}.zone.example.test"), 1, 1, CLIENT) for at in range(count)]


def answers(count: int) -> list[Answer]:
    """Secure ones."""
    zone = from_text("zone.example.test")
    return [
        Answer(proof=ValidationStatus(Security.SECURE, RrsigInfo(zone, 12345, 13, 300, 1_795_521_600)))
        for _ in range(count)
    ]


def measure(folder: Path, count: int, names: int) -> tuple[float, float]:
    """CPU microseconds of a line: to note it, and to make, seal and write it."""
    queue: LineQueue[ValidationLine] = LineQueue(Clock(), False, max_lines=count)
    observer = ValidationLineObserver(queue, time.monotonic, time.time)
    log = AuditLog(folder / "log", HmacChain(KEY), time.time, lambda: AuditLogBounds(256 << 20, 14, daily=True))
    asked, given = queries(count, names), answers(count)
    began = time.process_time()
    for query, answer in zip(asked, given, strict=True):
        observer.answered(query, answer, 0.001)
    noted = time.process_time() - began
    prefix = ClientPrefixSettings()
    began = time.process_time()
    while items := queue.take(LINES_PER_BATCH):
        log.append([format_validation_fields(item, prefix) for item in items if isinstance(item, ValidationLine)])
    written = time.process_time() - began
    log.close()
    return noted / count * 1e6, written / count * 1e6


def sustain(folder: Path, count: int) -> float:
    """Lines per second of the thread, the disk included, without other work."""
    queue: LineQueue[ValidationLine] = LineQueue(Clock(), False, max_lines=count)
    observer = ValidationLineObserver(queue, time.monotonic, time.time)
    log = AuditLog(folder / "log", HmacChain(KEY), time.time, lambda: AuditLogBounds(256 << 20, 14, daily=True))
    for query, answer in zip(queries(count, count), answers(count), strict=True):
        observer.answered(query, answer, 0.001)
    prefix = ClientPrefixSettings()
    writer: AuditWriter[ValidationLine] = AuditWriter(log, queue, lambda item: format_validation_fields(item, prefix))
    began = time.perf_counter()
    writer.start()
    while writer.written < count:
        time.sleep(0.01)
    took = time.perf_counter() - began
    writer.stop()
    return count / took


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / part for part in ("new", "few", "sustained")]
        for folder in folders:
            folder.mkdir()
        noted, written = measure(folders[0], count, count)
        print(f"noted on the reactor's thread: {noted:.2f} us a line")
        print(f"made, sealed and written: {written:.2f} us a line, every name new")
        print(f"                          {measure(folders[1], count, 1000)[1]:.2f} us a line, 1,000 names")
        print(f"sustained: {sustain(folders[2], count):,.0f} lines per second")
        size = sum(path.stat().st_size for path in folders[0].iterdir())
        began = time.process_time()
        found = verify_log_files(folders[0] / "log", KEY)
        took = time.process_time() - began
        print(f"checked: {took / found.lines * 1e6:.2f} us a line of {size / found.lines:.0f} octets, ok: {found.ok}")


if __name__ == "__main__":
    main()
