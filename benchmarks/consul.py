"""How soon the health of an instance is in the answers, and what a large catalog takes.

``python -m benchmarks.consul [--changes 50] [--services 1000]`` starts an agent and graydns in front of it. It makes a
check fail and pass repeatedly and prints the milliseconds from the time at which the agent's HTTP API shows the state
to the first answer that reflects it. Then it registers that many services with ten instances each, queries all of them,
one after the other or many at once, and prints how long that took, how much the memory of graydns grew, and the same
delays for services past the bound of own watches.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import dns.message

from benchmarks.usage import cpu_seconds, resident_bytes
from tools import consul, peers
from tools.consul import ConsulServer
from tools.ports import free_ports
from tools.process import start
from tools.programs import TWISTD

MAIN = """\
listen: ["udp://127.0.0.1:{port}"]
admin: null
http: null
zones: null
data: var/
consul: {{address: "{address}", service_ttl: {{"*": 5s}}}}
"""

INSTANCES = 10

#: Queries that wait for an answer at once.
ABREAST = 50

#: Where the many services are.
NODE = "rack"


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

    def ask(self, names: list[str]) -> None:
        """Ask for *names*, ABREAST at once, until each is answered."""
        left = names[::-1]
        for name in [left.pop() for _ in range(min(ABREAST, len(left)))]:
            self._socket.send(dns.message.make_query(name, "A", use_edns=0).to_wire())
        for _ in names:
            assert int.from_bytes(self._socket.recv(4096)[6:8], "big") == INSTANCES
            if left:
                self._socket.send(dns.message.make_query(left.pop(), "A", use_edns=0).to_wire())

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
                catalog(agent, client, options.services, process.pid)
            finally:
                process.stop()


def changes(agent: ConsulServer, client: Client, count: int) -> None:
    """Make a check fail and pass *count* times."""
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


def catalog(agent: ConsulServer, client: Client, services: int, pid: int) -> None:
    """Learn so many services, each by one query; the first ones have watches of their own."""
    said = f"{services} services of {INSTANCES} instances"

    def one_by_one() -> None:
        for number in range(services):
            assert client.count(f"a{number}.service.consul") == INSTANCES

    def abreast() -> None:
        client.ask([f"b{number}.service.consul" for number in range(services)])

    def took(what: str, work: Callable[[], None]) -> None:
        memory, cpu, began = resident_bytes(pid), cpu_seconds(pid), time.monotonic()
        work()
        seconds, cpu = time.monotonic() - began, cpu_seconds(pid) - cpu
        more = (resident_bytes(pid) - memory) / 2**20
        print(f"{said}, {what}: {seconds:.1f} s, {cpu:.1f} s of CPU time in graydns, {more:.1f} MiB more")

    for kind in "ab":
        fill(agent, kind, services)
    took("one after the other", one_by_one)
    took(f"{ABREAST} at once", abreast)
    past_the_bound(agent, client, f"b{services - 1}")


def past_the_bound(agent: ConsulServer, client: Client, name: str) -> None:
    """Make a check of a service that shares its watch fail and pass; register and remove an instance of it."""
    service = {"Service": name, "ID": f"{name}-more", "Address": "192.0.2.100"}
    changes: dict[str, Sequence[tuple[list[dict[str, object]], int]]] = {
        "checks": [([checked(name, 0, "critical")], INSTANCES - 1), ([checked(name, 0, "passing")], INSTANCES)],
        "registrations": [
            ([{"Service": {"Verb": verb, "Node": NODE, "Service": service}}], wanted)
            for verb, wanted in (("set", INSTANCES + 1), ("delete", INSTANCES))
        ],
    }
    for what, steps in changes.items():
        took = []
        for number in range(20):
            operations, wanted = steps[number % 2]
            transact(agent, operations)
            began = time.monotonic()
            while client.count(f"{name}.service.consul") != wanted:
                time.sleep(0.001)
            took.append((time.monotonic() - began) * 1000)
        print(f"past the bound, {what}: median {statistics.median(took):.0f} ms, longest {max(took):.0f} ms of 20")


def fill(agent: ConsulServer, kind: str, services: int) -> None:
    """Have so many services on a node that the agent leaves alone."""
    transact(agent, [{"Node": {"Verb": "set", "Node": {"Node": NODE, "Address": "192.0.2.200"}}}])
    for number in range(services):
        name = f"{kind}{number}"
        operations: list[dict[str, object]] = []
        for instance in range(INSTANCES):
            service = {"Service": name, "ID": f"{name}-{instance}", "Address": f"192.0.2.{instance + 1}"}
            operations.append({"Service": {"Verb": "set", "Node": NODE, "Service": service}})
            operations.append(checked(name, instance, "passing"))
        transact(agent, operations)


def checked(name: str, instance: int, status: str) -> dict[str, object]:
    """The operation that gives the check of an instance a state."""
    check = {"Node": NODE, "CheckID": f"c:{name}-{instance}", "Name": "up", "Status": status}
    return {"Check": {"Verb": "set", "Check": {**check, "ServiceID": f"{name}-{instance}"}}}


def transact(agent: ConsulServer, operations: list[dict[str, object]]) -> None:
    """Do all of them at once."""
    agent.must("PUT", "/v1/txn", operations)


def register(agent: ConsulServer, name: str, instances: int) -> None:
    """Have *instances* of *name*, each with a check."""
    for number in range(instances):
        check = {"TTL": "1h", "Status": "passing"}
        body = {"Name": name, "ID": f"{name}-{number}", "Address": f"192.0.2.{number + 1}", "Check": check}
        agent.must("PUT", "/v1/agent/service/register", body)


if __name__ == "__main__":
    main()
