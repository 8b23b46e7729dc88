"""CPU microseconds of one gray decision, of one plan, and seconds to compile a policy.

    python benchmarks/micro/routing.py [--count 100000]

Every decision is for another client, which brings its own subnet, so that nothing is remembered. Times are of this
process's CPU and the best of several rounds; the first line is SipHash alone, to compare machines by.
"""

from __future__ import annotations

import argparse
import gc
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from random import Random

from graydns.gray.client_key import hash64
from graydns.gray.geo import GeoLocation
from graydns.gray.plan import Plan
from graydns.gray.policy_compiler import ZonePolicy, compile_policy
from graydns.gray.router import Router
from graydns.model.client import Client, Subnet
from graydns.model.name import from_text
from graydns.model.policy import Rule, RuleConditions, RuleOutcome, ServiceEndpoint, ServicePolicy, ServiceVersion

CLIENTS = 2_000
ROUNDS = 15

NAME = "api.shop.test"
CANARY = RuleOutcome(version="canary")


class Everywhere:
    """A Geo whose places are at hand, so that only our own work counts."""

    def __init__(self) -> None:
        self._places = [GeoLocation(country, (f"{country}-1",), "town") for country in ("CN", "GB", "DE")]

    def locate(self, address: bytes) -> GeoLocation:
        """Some place."""
        return self._places[address[0] % 3]


def version(count: int, first: int) -> ServiceVersion:
    """A version with *count* endpoints."""
    return ServiceVersion(tuple(ServiceEndpoint({"A": (str(ip_address(first + at)),)}) for at in range(count)))


def service(percent: int = 100_000, endpoints: int = 1, whitelist: Sequence[str] = ()) -> ServicePolicy:
    """Stable and canary."""
    return ServicePolicy(
        versions={"stable": version(endpoints, 0xC0000200), "canary": version(1, 0xC6336400)},
        default="stable",
        percent={"canary": percent},
        whitelist={"canary": tuple(whitelist)},
    )


def networks(count: int) -> list[str]:
    """Different /24 networks."""
    picked = Random(7).sample(range(1 << 16, 224 << 16), count)
    return [f"{ip_address(number << 8)}/24" for number in picked]


def sources(count: int) -> list[Rule]:
    """*count* rules that test the source only."""
    return [Rule(f"n{at}", RuleConditions(source=network), CANARY) for at, network in enumerate(networks(count))]


def clients(*, subnet: bool = True, identity: bool = False) -> list[Client]:
    """Different clients with random addresses."""
    random = Random(9)
    return [
        Client(
            random.randbytes(4),
            subnet=Subnet(random.randbytes(3) + b"\0", 24) if subnet else None,
            identity=f"client:c{at}" if identity else None,
        )
        for at in range(CLIENTS)
    ]


def compiled(rules: Sequence[Rule], one: ServicePolicy | None = None, geo: Everywhere | None = None) -> Router:
    """A router with one service."""
    policy = ZonePolicy(from_text("shop.test"), {from_text(NAME): one or service()}, rules)
    return drain(policy, geo)[0]


def drain(policy: ZonePolicy, geo: Everywhere | None = None) -> tuple[Router, float]:
    """The router of *policy*, and the seconds that the longest step took."""
    steps, longest = compile_policy("bench", [policy], [], geo), 0.0
    while True:
        started = time.process_time()
        try:
            next(steps)
        except StopIteration as done:
            router: Router = done.value
            return router, longest
        longest = max(longest, time.process_time() - started)


def per_call(work: Callable[[Client], object], senders: Iterable[Client]) -> float:
    """Microseconds of CPU for one client, the best of several rounds."""
    senders, best = list(senders), float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for client in senders:
            work(client)
        best = min(best, time.process_time() - started)
    return best / len(senders) * 1e6


def show(label: str, value: float, unit: str = "µs") -> None:
    """One line of the report."""
    print(f"{label:<44} {value:8.2f} {unit}", flush=True)


def plan(router: Router) -> Plan:
    """The plan that is measured."""
    return router.plan(from_text(NAME), 1)


def planning(router: Router, text: str) -> Callable[[Client], Plan]:
    """What finds the plan of a name."""
    name = from_text(text)
    return lambda client: router.plan(name, 1)


def measure_decisions(count: int) -> None:
    """Every shape of plan."""
    key = bytes(16)
    show("siphash alone", per_call(lambda client: hash64(key, client.source), clients()))
    show("plain split", per_call(plan(compiled([])).decide, clients()))
    show("plain split, no subnet", per_call(plan(compiled([])).decide, clients(subnet=False)))
    show("split and 8 endpoints", per_call(plan(compiled([], service(endpoints=8))).decide, clients()))
    for size in sorted({10, 1_000, count}):
        show(f"split and {size:,} networks", per_call(plan(compiled(sources(size))).decide, clients()))
    listed = service(whitelist=[f"client:c{at}" for at in range(1_000)])
    show("whitelist of 1,000 identities", per_call(plan(compiled([], listed)).decide, clients(identity=True)))
    known = [Rule(f"c{at}", RuleConditions(client=f"c{at}"), CANARY) for at in range(1_000)]
    show("1,000 rules by identity", per_call(plan(compiled(known)).decide, clients(identity=True)))
    both = [Rule(f"c{at}", RuleConditions(client=f"c{at}", source="0.0.0.0/0"), CANARY) for at in range(1_000)]
    show("1,000 rules by identity and network", per_call(plan(compiled(both)).decide, clients(identity=True)))
    places = [Rule("cn", RuleConditions(country="CN"), CANARY), Rule("gb", RuleConditions(subdivision="GB-1"), CANARY)]
    show("rules by country and subdivision", per_call(plan(compiled(places, geo=Everywhere())).decide, clients()))


def measure_plans(count: int) -> None:
    """Finding the plan of a name among many patterns."""
    whens = [RuleConditions(name=f"n{at}.shop.test") for at in range(count // 4)]
    whens += [RuleConditions(name=f"n{at}") for at in range(count // 4)]
    whens += [RuleConditions(name=f"n{at}-*.shop.test") for at in range(count // 4)]
    whens += [RuleConditions(name=f"*.n{at}.shop.test") for at in range(count // 4)]
    router = compiled([Rule(f"r{at}", when, RuleOutcome(block="nodata")) for at, when in enumerate(whens)])
    show(f"plan among {count:,} patterns, two match", per_call(planning(router, "n7.shop.test"), clients()))
    show(f"plan among {count:,} patterns, none does", per_call(planning(router, "www.eu.shop.test"), clients()))
    regexes = compiled(
        [Rule(f"x{at}", RuleConditions(regex=f"n{at}[.-].*"), RuleOutcome(block="nodata")) for at in range(1_000)]
    )
    show("plan among 1,000 regexes", per_call(planning(regexes, "n7.shop.test"), clients()))


def measure_compilation(count: int) -> None:
    """Seconds and memory for a large policy."""
    cidrs = networks(count)
    policies = {
        "networks": sources(count),
        "identities": [Rule(f"c{at}", RuleConditions(client=f"c{at}"), CANARY) for at in range(count)],
        "names and networks": [
            Rule(f"n{at}", RuleConditions(source=cidr, name=f"n{at}.shop.test"), RuleOutcome(block="nodata"))
            for at, cidr in enumerate(cidrs)
        ],
    }
    for label, rules in policies.items():
        gc.collect()
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        router, longest = drain(ZonePolicy(from_text("shop.test"), {from_text(NAME): service()}, rules))
        spent = time.process_time() - started
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        show(
            f"compile {count:,} rules by {label}",
            spent,
            f"s, longest step {longest * 1e3:.0f} ms, peak +{grown:.0f} MB",
        )
        del router


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="CPU time of gray decisions.")
    parser.add_argument("--count", type=int, default=100_000, help="rules in the largest policy")
    count: int = parser.parse_args().count
    gc.disable()  # as the server does while it serves
    measure_decisions(count)
    measure_plans(count)
    measure_compilation(count)


if __name__ == "__main__":
    main()
