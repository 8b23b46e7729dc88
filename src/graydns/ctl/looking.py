"""Commands that look at the server as a whole: status, config, zones, upstreams."""

from __future__ import annotations

from typing import Any

import click

from graydns.ctl.kinds import Known
from graydns.ctl.tables import fields, shout, show, shower
from graydns.ctl.tool import Command, Group, Tool, tell


@click.command(cls=Command)
@click.pass_obj
def status(tool: Tool) -> None:
    """Tell what runs, since when, and where it departs from the files."""
    tell(tool.call("status"), show_status)


def show_status(value: dict[str, Any]) -> None:
    """Print a status; what is switched off comes first."""
    if off := value.get("gray_off"):
        whom = "ALL TENANTS" if "*" in off or None in off else ", ".join(map(str, off))
        shout(f"GRAY ROUTING IS OFF for {whom}: every service answers with its default (`gray on` ends this)")
    fields(value)


@click.command(cls=Command)
@click.pass_obj
def whoami(tool: Tool) -> None:
    """Tell who you are to the server, and what you may do."""
    tell(tool.call("whoami"), show)


@click.group(cls=Group)
def config() -> None:
    """Look at the configuration."""


@config.command("show")
@click.option("--effective", is_flag=True, help="With defaults (there is no other way to show it).")
@click.pass_obj
def config_show(tool: Tool, effective: bool) -> None:
    """Show the configuration that runs, with every default."""
    tell(tool.call("config"), show)


@click.command(cls=Command)
@click.option("--tenant", type=Known("tenant"), help="Only this tenant's.")
@click.pass_obj
def zones(tool: Tool, tenant: str | None) -> None:
    """List the zones."""
    tell(tool.call("zones", tenant=tenant), shower("zone", "tenant", "state"))


@click.command(cls=Command)
@click.pass_obj
def upstreams(tool: Tool) -> None:
    """List the servers that are asked, and how they do."""
    tell(tool.call("upstreams"), show)


@click.group(cls=Group)
def log() -> None:
    """Steer the log."""


@log.command("level")
@click.argument("level", type=click.Choice(["debug", "info", "warn", "error", "critical"]))
@click.pass_obj
def log_level(tool: Tool, level: str) -> None:
    """Log from LEVEL up, until the next start."""
    tell(tool.call("log_level", level=level), show)
