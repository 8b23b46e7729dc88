"""Real Consul agents for tests and measurements, on free ports of 127.0.0.1: one alone, or three servers."""

from __future__ import annotations

import json
import shutil
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field

from tools.ports import free_ports
from tools.process import Process, start

#: Seconds in which an agent has to be there; a cluster elects first.
PATIENCE = 90.0

#: The management token of agents that are started with ACL.
MASTER = "3f2b8a4e-0000-4000-8000-5e5510000001"

#: Everything is denied without a token; MASTER may do all.
ACL = {"acl": {"enabled": True, "default_policy": "deny", "tokens": {"master": MASTER, "agent": MASTER}}}


@define
class ConsulServer:
    """An agent that is a server: *http*, *dns* and *serf* are its ports. Blocks, so use a thread beside the reactor.

    Without *keeps_data* it runs with ``-dev``: it is there in a tenth of the time, and a restart loses what it knew.
    """

    program: str
    folder: Path
    http: int
    dns: int
    serf: int
    config: Mapping[str, Any]
    keeps_data: bool = True
    _process: Process | None = field(default=None, init=False)

    @property
    def address(self) -> str:
        """Where its HTTP API is."""
        return f"http://127.0.0.1:{self.http}"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def start(self) -> None:
        """Start it, with the data that its folder has."""
        file = self.folder / "consul.json"
        file.write_text(json.dumps(self.config))
        mode = [] if self.keeps_data else ["-dev"]
        self._process = start([self.program, "agent", *mode, "-config-file", str(file)], self.folder)

    def wait_ready(self, beside: Sequence[ConsulServer] = ()) -> None:
        """Return once it knows a leader and answers reads; raise NotReady also when one of *beside* has ended."""

        def ready() -> bool:
            for other in beside:
                other.process.must_run()
            return self.is_ready()

        self.process.wait_until(ready, PATIENCE)

    @property
    def process(self) -> Process:
        """What was started last."""
        assert self._process is not None
        return self._process

    def is_ready(self) -> bool:
        """Whether it answers a read that needs the leader, with itself in it."""
        status, nodes = self.call("GET", "/v1/catalog/nodes")
        return status == 200 and any(each["Node"] == self.config["node_name"] for each in nodes)

    def call(self, method: str, path: str, body: Any = None, timeout: float = 5.0) -> tuple[int, Any]:
        """Status and answer of a request as the master; status 0 if there was none."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"X-Consul-Token": MASTER}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, _parsed(response.read())
        except urllib.error.HTTPError as error:
            return error.code, _parsed(error.read())
        except OSError:
            return 0, None

    def must(self, method: str, path: str, body: Any = None) -> Any:
        """As call(), for what has to work."""
        status, answer = self.call(method, path, body)
        assert status == 200, (method, path, status, answer)
        return answer

    def kill(self) -> None:
        """End it as a crash does; its data stay in its folder unless it keeps none."""
        if self._process is not None:
            self.signal(signal.SIGCONT)
            self._process.popen.kill()
            self._process.popen.wait()

    def forget(self) -> None:
        """Take its data away, if it keeps any; it must have ended."""
        shutil.rmtree(self.folder / "data", ignore_errors=not self.keeps_data)

    def freeze(self) -> None:
        """It takes connections but answers nothing, until thaw()."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        self.signal(signal.SIGCONT)

    def signal(self, number: int) -> None:
        """Send *number*, if it still runs."""
        if self.process.popen.poll() is None:
            self.process.popen.send_signal(number)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def prepare(program: str, folder: Path, name: str, more: Mapping[str, Any]) -> ConsulServer:
    """A server that is not started yet, in *folder*/*name*; *more*: further keys of its configuration."""
    home = folder / name
    home.mkdir()
    http, dns, rpc, serf = free_ports(4)
    config = {
        "node_name": name,
        "server": True,
        "bind_addr": "127.0.0.1",
        "client_addr": "127.0.0.1",
        "data_dir": str(home / "data"),
        "ports": {"http": http, "dns": dns, "server": rpc, "serf_lan": serf, "serf_wan": -1, "grpc": -1},
        "performance": {"raft_multiplier": 1},
        "disable_update_check": True,
        "log_level": "warn",
        **more,
    }
    return ConsulServer(program, home, http, dns, serf, config)


@contextmanager
def running(servers: Sequence[ConsulServer]) -> Iterator[None]:
    """Start *servers*, wait until they are one cluster, and end them."""
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.kill)
            server.start()
        for server in servers:
            server.wait_ready(beside=servers)
        yield


@contextmanager
def agent(program: str, folder: Path, *, keeps_data: bool = True, **more: Any) -> Iterator[ConsulServer]:
    """One server that is a cluster of its own."""
    server = prepare(program, folder, "solo", {"bootstrap": True, **more})
    server.keeps_data = keeps_data
    with running([server]):
        yield server


@contextmanager
def cluster(program: str, folder: Path, size: int = 3, **more: Any) -> Iterator[Sequence[ConsulServer]]:
    """*size* servers that are one cluster."""
    servers = [
        prepare(program, folder, f"server{number}", {"bootstrap_expect": size, **more}) for number in range(size)
    ]
    for server in servers:
        others = [f"127.0.0.1:{other.serf}" for other in servers if other is not server]
        server.config = {**server.config, "retry_join": others, "retry_interval": "200ms"}
    with running(servers):
        yield servers


def leader_of(servers: Sequence[ConsulServer]) -> ConsulServer:
    """The one that leads."""
    leader = servers[0].must("GET", "/v1/status/leader")
    (found,) = [each for each in servers if leader == f"127.0.0.1:{each.config['ports']['server']}"]
    return found
