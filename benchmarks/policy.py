"""How soon a release policy that is written to Consul's KV is in the answers.

``python -m benchmarks.policy [--changes 50]`` serves one gray service beside a Consul agent, asks it a query every
millisecond, and writes signed revisions, one transaction each, that send no client and then every client to the canary.
It prints the milliseconds from the start of the write to the first new answer (the revision is on the disk by then),
the part of it after Consul had confirmed the write, and whether an old answer came after a new one.
"""

from __future__ import annotations

import argparse
import base64
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.change_watcher import CANARY, STABLE, ChangeWatcher, format_delays, report, watch_changes
from benchmarks.reload import write
from graydns.config.release_policy import ReleasePolicy
from graydns.config.schema import structure_as
from graydns.control.policy.revisions import active_key
from graydns.control.policy.signatures import Ed25519Signer, encode_kv_entries, generate_private_key, sign_policy
from tools import consul
from tools.consul import ConsulServer
from tools.peers import find
from tools.ports import free_ports

MAIN = """\
listen: ["udp://127.0.0.1:{port}"]
admin: null
http: null
forward: {{}}
consul:
  address: {address}
  policy: {{keys: [{{id: k1, ed25519: "{key}"}}]}}
"""


def revision(number: int, percent: int, key: Ed25519Signer) -> list[dict[str, Any]]:
    """The transaction that publishes a signed revision."""
    meta = {"format": "graydns-policy-1", "prefix": "gray/", "datacenter": "dc1", "tenant": "bench"}
    policy = {
        "meta": {**meta, "revision": str(number)},
        "percent": {"api.gray.test": {"canary": str(percent)}},
    }
    made, misfits = structure_as(policy, ReleasePolicy)
    assert made is not None, misfits
    keys = {**encode_kv_entries(sign_policy(made, key, "k1")), active_key("gray/"): str(number).encode()}
    return [
        {"KV": {"Verb": "set", "Key": name, "Value": base64.b64encode(value).decode()}} for name, value in keys.items()
    ]


def measured(agent: ConsulServer, watcher: ChangeWatcher, key: Ed25519Signer, rounds: int) -> Iterator[str]:
    """Lines of a report."""
    whole: list[float] = []
    after: list[float] = []
    for number in range(1, rounds + 6):
        percent, expected = ((0, STABLE), (100, CANARY))[number % 2]
        transaction = revision(number, percent, key)
        confirmed = 0.0

        def publish(transaction: list[dict[str, Any]] = transaction) -> None:
            nonlocal confirmed
            agent.must("PUT", "/v1/txn", transaction)
            confirmed = time.monotonic()

        seconds = watcher.change(expected, publish)
        if number > 5:  # the first ones are for warming up
            whole.append(seconds)
            after.append((watcher.first or confirmed) - confirmed)
    yield format_delays(f"{rounds} revisions, from the start of the write", whole)
    yield format_delays("from Consul's confirmation (negative: before it came back)", after)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--changes", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="graydns-policy-") as name:
        folder, (port,), key = Path(name), free_ports(1), generate_private_key()
        with consul.agent(find("consul"), folder) as agent:
            public = base64.b64encode(key.public.octets).decode()
            (folder / "graydns.yaml").write_text(MAIN.format(port=port, address=agent.address, key=public))
            write(folder, 2, 1)
            with watch_changes(folder, port) as watcher:
                report(watcher, measured(agent, watcher, key, options.changes))


if __name__ == "__main__":
    main()
