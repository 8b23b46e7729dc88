"""A graydns that takes release policies from a Consul agent, asked and commanded as its users do."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.query
from attrs import define, field

from graydns.control.policy.signatures import generate_private_key, sign_policy
from tests.conftest import answers
from tests.control.policy.making import strategy
from tests.e2e.serving import write
from tools.consul import ConsulServer
from tools.ports import free_ports
from tools.process import Process, start
from tools.programs import GRAYDNSCTL, TWISTD

#: Seconds in which what has to happen within milliseconds must have happened on a machine however busy.
AMPLE = 20.0

#: Clients that are asked for: a share of them says what share gets the canary.
CLIENTS = 60

KEY = generate_private_key()

STABLE, CANARY = "192.0.2.10", "192.0.2.20"

ZONE = """\
    tenant_id: one
    services:
      api.a.test:
        versions: {stable: {A: 192.0.2.10}, canary: {A: 192.0.2.20}}
        default: stable
    """


@define
class Site:
    """A folder with a graydns's configuration, and the agent beside it."""

    folder: Path
    agent: ConsulServer
    port: int
    pages: int
    process: Process | None = field(default=None)

    @contextmanager
    def serving(self) -> Iterator[None]:
        process = start([*TWISTD, "graydns", "--config", "graydns.yaml"], self.folder)
        try:
            process.wait_until(lambda: answers(self.port))
            yield
        finally:
            process.stop()

    def canaries(self) -> int:
        """How many of CLIENTS get the canary."""
        return sum(self.ask(f"198.51.{number}.0") == [CANARY] for number in range(CLIENTS))

    def ask(self, subnet: str) -> list[str]:
        options: list[dns.edns.Option] = [dns.edns.ECSOption(subnet, 24)]
        query = dns.message.make_query("api.a.test", "A", use_edns=0, options=options)
        answer = dns.query.udp(query, "127.0.0.1", timeout=5, port=self.port)
        return [str(rdata) for rrset in answer.answer for rdata in rrset]

    def until(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + AMPLE
        while not true():
            assert time.monotonic() < end, self.status()
            time.sleep(0.05)

    def ctl(self, *words: str, status: int = 0) -> Any:
        """What graydnsctl gives, as JSON; the error where *status* is 1."""
        done = subprocess.run(
            [GRAYDNSCTL, "--json", *words], cwd=self.folder, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == status, (done.stdout, done.stderr)
        told = json.loads(done.stdout)
        return told["result"] if status == 0 else told["error"]

    def status(self) -> Any:
        return self.status_of("policy")

    def status_of(self, part: str) -> Any:
        return self.ctl("status")[part]

    def refused(self, reason: str) -> bool:
        """Whether what is active now is refused for *reason*."""
        found = self.status()["refused"]
        return found is not None and found["reason"] == reason

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.pages}/metrics", timeout=5) as page:
            text: str = page.read().decode()
            return text

    def file(self, number: int, canary: str, **parts: Any) -> str:
        """A file that can be pushed."""
        path = self.folder / f"policy{number}.json"
        path.write_text(json.dumps(signed(number, canary, **parts)))
        return str(path)

    def put(self, keys: dict[str, bytes]) -> None:
        """Write one key after the other."""
        for key, value in keys.items():
            self.agent.must("PUT", f"/v1/kv/{key}", value)

    def log(self) -> str:
        return (self.folder / "twistd.log").read_text()

    def activate(self, number: int) -> None:
        self.put({"gray/strategy/active": str(number).encode()})


def signed(
    number: int, canary: str, not_before: str | None = None, not_after: str | None = None, **parts: Any
) -> dict[str, Any]:
    """A signed revision that gives the canary a share."""
    meta = {"not_before": not_before, "not_after": not_after, "tenant": "one"}
    empty: dict[str, Any] = {"route": [], "weight": {}, "whitelist": {}}
    said = {**empty, "percent": {"api.a.test": {"canary": canary}}, **parts}
    return sign_policy(strategy(number, meta=meta, **said), KEY, "k1")


#: What ``consul.policy`` says: who may sign, or that nobody has to.
SIGNED = f'{{keys: [{{id: k1, ed25519: "{base64.b64encode(KEY.public.octets).decode()}"}}]}}'
UNSIGNED = "{unsigned: true}"


def beside(agent: ConsulServer, folder: Path, more: str = "", policy: str = SIGNED) -> Site:
    """A graydns's configuration that takes policies from *agent*, with *more* in its section."""
    port, pages = free_ports(2)
    main = f"""\
        listen: ["udp://127.0.0.1:{port}"]
        zones: zones/
        reload: {{refresh_interval_ms: 200}}
        consul:
          address: {agent.address}
          stale_after: 5s
          policy: {policy}
          {more}
        """
    folder.mkdir()
    config = write(folder, main, {"a.test": (ZONE, "")})
    text = config.read_text().replace("admin: null", "admin: unix:admin.sock")
    config.write_text(text.replace("http: null", f"http: tcp://127.0.0.1:{pages}"))
    return Site(folder, agent, port, pages)


READ = 'key_prefix "gray/" { policy = "read" } agent_prefix "" { policy = "read" }'


def rights(agent: ConsulServer, rules: str) -> None:
    """Have the policy ``reading`` give these."""
    status, found = agent.call("GET", "/v1/acl/policy/name/reading")
    path = f"/v1/acl/policy/{found['ID']}" if status == 200 else "/v1/acl/policy"
    known = {"ID": found["ID"]} if status == 200 else {}
    agent.must("PUT", path, {**known, "Name": "reading", "Rules": rules})
