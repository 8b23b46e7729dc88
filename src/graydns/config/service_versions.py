"""Reader of versions whose endpoints are instances in Consul."""

from __future__ import annotations

from collections.abc import Callable

from graydns.config.issues import IssueCollector, ValidationIssue, format_value, make_validation_error
from graydns.config.scalar import Duration, Text, read_percent
from graydns.model.policy import ConsulVersionSource

read_consul_service_name = Text("the name of a service in Consul", max_length=255, pattern=r"[^\x00-\x20\x7f]+")
read_consul_tag = Text("a tag of instances in Consul", max_length=255)
read_consul_meta_text = Text("a text as instances have it in Consul", min_length=0, max_length=512)
read_health_delay = Duration("0s", "1d")

_OPTION_READERS: dict[str, Callable[[object], object]] = {
    "panic_threshold": read_percent,
    "rise": read_health_delay,
    "fall": read_health_delay,
}


def read_consul_version_source(value: dict[str, object]) -> ConsulVersionSource:
    """``{consul: {service: api, tag: v2}}`` with ``panic_threshold``, ``rise`` and ``fall``; of records nothing."""
    wrong = IssueCollector(
        ValidationIssue((key,), f"{format_value(key)} beside 'consul'", "either records, or instances of Consul", True)
        for key in value
        if key != "consul" and key not in _OPTION_READERS
    )
    given: dict[str, object] = {}
    with wrong.collect_at("consul"):
        given = _read_selection(value["consul"])
    for key, read in _OPTION_READERS.items():
        if value.get(key) is not None:
            with wrong.collect_at(key):
                given[key] = read(value[key])
    wrong.raise_collected()
    return ConsulVersionSource(**given)  # type: ignore[arg-type]


def _read_selection(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise make_validation_error(value, "the instances meant, such as {service: api, tag: v2}")
    wrong = IssueCollector(
        ValidationIssue((key,), f"the unknown key {format_value(key)}", "one of service, tag, meta", True)
        for key in value
        if key not in ("service", "tag", "meta")
    )
    given: dict[str, object] = {}
    if "service" in value:
        with wrong.collect_at("service"):
            given["service"] = read_consul_service_name(value["service"]).lower()
    else:
        wrong.append(ValidationIssue((), "no key 'service'", "'service', which is required"))
    if value.get("tag") is not None:
        with wrong.collect_at("tag"):
            given["tag"] = read_consul_tag(value["tag"]).lower()
    if value.get("meta") is not None:
        with wrong.collect_at("meta"):
            given["meta"] = _read_meta(value["meta"])
    wrong.raise_collected()
    return given


def _read_meta(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        raise make_validation_error(value, "what instances have registered, such as {version: v2}")
    meta: dict[str, str] = {}
    wrong = IssueCollector()
    for key, text in value.items():
        with wrong.collect_at(key):
            meta[key] = read_consul_meta_text(text)
    wrong.raise_collected()
    return meta
