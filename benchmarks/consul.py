"""How soon the health of an instance is in the answers, and what a large catalog takes.

``python -m benchmarks.consul [--changes 50] [--services 1000]`` starts an agent and graydns in front of it. It fails
and mends a check over and over and prints the milliseconds from the moment at which the agent's HTTP API shows that to
the first answer that does. Then it registers so many services with ten instances each, asks for all of them, and prints
how long that took, and how much more memory graydns has afterwards.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import dns.message

from benchmarks.reload import TWISTD
from benchmarks.usage import resident_bytes
from tools import consul, peers
from tools.consul import ConsulServer
from tools.process import free_ports, start

MAIN = """\
listen: ["udp://127.0.0.1:{port}"]
admin: null
http: null
zones: null
data: var/
consul: {{address: "{address}", service_ttl: {{"*": 5s}}}}
"""

INSTANCES = 10


class Client:
    """Asks graydns over UDP."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(5)
        self._socket.connect(("127.0.0.1", port))

    def is_answered(self) -> bool:
        """Whether there is an answer at all."""
        try:
            return self.count("consul") == 0
        except ConnectionRefusedError:
            return False

    def count(self, name: str) -> int:
        """How many addresses *name* has."""
        self._socket.send(dns.message.make_query(name, "A", use_edns=0).to_wire())
        return int.from_bytes(self._socket.recv(4096)[6:8], "big")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=50)
    parser.add_argument("--services", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="graydns-consul-") as name:
        folder = Path(name)
        with consul.agent(peers.find("consul"), folder) as agent:
            (port,) = free_ports(1)
            (folder / "graydns.yaml").write_text(MAIN.format(port=port, address=agent.address))
            process = start([*TWISTD, "graydns", "--config", str(folder / "graydns.yaml")], folder)
            try:
                client = Client(port)
                process.wait_until(client.is_answered)
                changes(agent, client, options.changes)
                catalog(agent, client, options.services, lambda: resident_bytes(process.pid))
            finally:
                process.stop()


def changes(agent: ConsulServer, client: Client, count: int) -> None:
    """Fail and mend a check *count* times."""
    register(agent, "web", 2)
    while client.count("web.service.consul") != 2:
        time.sleep(0.01)
    took: dict[str, list[float]] = {"fail": [], "pass": []}
    for number in range(2 * count):
        kind, wanted = (("fail", 1), ("pass", 2))[number % 2]
        agent.must("PUT", f"/v1/agent/check/{kind}/service:web-0")
        state = "critical" if kind == "fail" else "passing"
        while shown(agent) != state:
            pass
        began = time.monotonic()
        while client.count("web.service.consul") != wanted:
            pass
        took[kind].append((time.monotonic() - began) * 1000)
        time.sleep(0.1)
    for kind, each in took.items():
        each.sort()
        print(f"{kind}: median {statistics.median(each):.1f} ms, 99 % {each[int(len(each) * 0.99)]:.1f} ms of {count}")


def shown(agent: ConsulServer) -> str:
    """The state of the first instance's check, as the agent says."""
    (entry,) = [it for it in agent.must("GET", "/v1/health/service/web") if it["Service"]["ID"] == "web-0"]
    return str(next(check["Status"] for check in entry["Checks"] if check["CheckID"] == "service:web-0"))


def catalog(agent: ConsulServer, client: Client, services: int, memory: Callable[[], int]) -> None:
    """Learn so many services, each by one query; the first ones have watches of their own."""
    for number in range(services):
        register(agent, f"s{number}", INSTANCES)
    before, began = memory(), time.monotonic()
    for number in range(services):
        while client.count(f"s{number}.service.consul") != INSTANCES:
            time.sleep(0.01)
    seconds = time.monotonic() - began
    print(f"{services} services of {INSTANCES} instances asked for one after the other: {seconds:.1f} s")
    print(f"memory: {(memory() - before) / 2**20:.1f} MiB more")


def register(agent: ConsulServer, name: str, instances: int) -> None:
    """Have *instances* of *name*, each with a check."""
    for number in range(instances):
        check = {"TTL": "1h", "Status": "passing"}
        body = {"Name": name, "ID": f"{name}-{number}", "Address": f"192.0.2.{number + 1}", "Check": check}
        agent.must("PUT", "/v1/agent/service/register", body)


if __name__ == "__main__":
    main()
