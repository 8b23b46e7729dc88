"""Keys of graydns.yaml that only a restart can bring into effect: what runs keeps its value, and says so."""

from __future__ import annotations

from attrs import evolve

from graydns.config.main import Config

#: What the process opened, or made once, when it started.
_KEYS = ("listen", "tls", "admin", "http", "data", "audit", "consul")
_LIMITS = ("max_connections", "max_per_source", "max_pipelined", "tcp_idle", "tls_handshake")


def in_effect(began: Config, read: Config) -> tuple[Config, tuple[str, ...]]:
    """*read* as far as a running server can follow it, and the keys whose new values wait for a restart.

    *began*: what the process was started with.
    """
    waiting = [key for key in _KEYS if getattr(began, key) != getattr(read, key)]
    limits = [key for key in _LIMITS if getattr(began.limits, key) != getattr(read.limits, key)]
    waiting += [f"limits.{key}" for key in limits]
    tenants = {}
    for name, tenant in read.tenants.items():
        listen = began.tenants[name].listen if name in began.tenants else ()
        if tenant.listen != listen:
            waiting.append(f"tenants.{name}.listen")
            tenant = evolve(tenant, listen=listen)
        tenants[name] = tenant
    config = evolve(
        read,
        **{key: getattr(began, key) for key in _KEYS},
        limits=evolve(read.limits, **{key: getattr(began.limits, key) for key in _LIMITS}),
        tenants=tenants,
    )
    return config, tuple(waiting)
