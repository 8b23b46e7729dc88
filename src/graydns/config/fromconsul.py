"""Reader of versions whose endpoints are instances in Consul."""

from __future__ import annotations

from collections.abc import Callable

from graydns.config.misfit import Gathering, Misfit, misfits, shown
from graydns.config.scalar import Duration, Text, read_percent
from graydns.model.policy import ConsulVersionSource

read_name = Text("the name of a service in Consul", most=255, pattern=r"[^\x00-\x20\x7f]+")
read_tag = Text("a tag of instances in Consul", most=255)
read_meta_text = Text("a text as instances have it in Consul", least=0, most=512)
read_delay = Duration("0s", "1d")

_OPTIONS: dict[str, Callable[[object], object]] = {
    "panic_threshold": read_percent,
    "rise": read_delay,
    "fall": read_delay,
}


def read_from_consul(value: dict[str, object]) -> ConsulVersionSource:
    """``{consul: {service: api, tag: v2}}`` with ``panic_threshold``, ``rise`` and ``fall``; of records nothing."""
    wrong = Gathering(
        Misfit((key,), f"{shown(key)} beside 'consul'", "either records, or instances of Consul", True)
        for key in value
        if key != "consul" and key not in _OPTIONS
    )
    given: dict[str, object] = {}
    with wrong.at("consul"):
        given = _read_selection(value["consul"])
    for key, read in _OPTIONS.items():
        if value.get(key) is not None:
            with wrong.at(key):
                given[key] = read(value[key])
    wrong.close()
    return ConsulVersionSource(**given)  # type: ignore[arg-type]


def _read_selection(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise misfits(value, "the instances meant, such as {service: api, tag: v2}")
    wrong = Gathering(
        Misfit((key,), f"the unknown key {shown(key)}", "one of service, tag, meta", True)
        for key in value
        if key not in ("service", "tag", "meta")
    )
    given: dict[str, object] = {}
    if "service" in value:
        with wrong.at("service"):
            given["service"] = read_name(value["service"]).lower()
    else:
        wrong.append(Misfit((), "no key 'service'", "'service', which is required"))
    if value.get("tag") is not None:
        with wrong.at("tag"):
            given["tag"] = read_tag(value["tag"]).lower()
    if value.get("meta") is not None:
        with wrong.at("meta"):
            given["meta"] = _read_meta(value["meta"])
    wrong.close()
    return given


def _read_meta(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        raise misfits(value, "what instances have registered, such as {version: v2}")
    meta: dict[str, str] = {}
    wrong = Gathering()
    for key, text in value.items():
        with wrong.at(key):
            meta[key] = read_meta_text(text)
    wrong.close()
    return meta
