"""https:// to a real agent that wants a certificate of its clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import frozen
from cryptography.x509 import DNSName

from tests.coroutines import on_reactor
from tests.listen.certificates import Issued, issue
from tests.txconsul.running import consul_at
from tools import consul
from tools.ports import free_ports
from txconsul.authentication import make_tls_policy
from txconsul.reply import ConsulUnreachableError

pytestmark = pytest.mark.timeout(60)

Files = dict[str, Path]


@frozen
class Secured:
    """An agent behind https, and the files of its *authority*, of a *client* and of a *stranger*."""

    address: str
    authority: Issued
    client: Issued
    stranger: Issued

    def files(self, ca: str | None, client: bool) -> Files:
        """Settings of a Consul."""
        trusted = {"authority": self.authority, "stranger": self.stranger}
        ours = {"certificate": self.client.certificate_file, "key": self.client.key_file} if client else {}
        return {**({"ca": trusted[ca].certificate_file} if ca else {}), **ours}


@pytest.fixture(scope="module")
def secured(require_peer: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Its certificate is for localhost; it takes those of the same authority only."""
    folder = tmp_path_factory.mktemp("tls")
    authority, stranger = (issue(folder, name, authority=True) for name in ("authority", "stranger"))
    own = issue(folder, "agent", [DNSName("localhost")], authority)
    (https,) = free_ports(1)
    server = consul.prepare(require_peer("consul"), folder, "secured", {"bootstrap": True})
    server.config = {
        **server.config,
        "ports": {**server.config["ports"], "https": https},
        "ca_file": str(authority.certificate_file),
        "cert_file": str(own.certificate_file),
        "key_file": str(own.key_file),
        "verify_incoming_https": True,
    }
    with consul.running([server]):
        yield Secured(f"https://localhost:{https}", authority, issue(folder, "client", (), authority), stranger)


@on_reactor
async def test_both_sides_show_a_certificate(secured: Secured) -> None:
    """Of an authority that the other one trusts."""
    async with consul_at(secured.address, **secured.files("authority", client=True)) as asked:
        assert (await asked.request("GET", "catalog/nodes")).json[0]["Node"] == "secured"
        assert await asked.api.kv.put("tls", "1") is True


@pytest.mark.parametrize(
    ("host", "ca", "client"),
    [
        pytest.param("localhost", "authority", False, id="no certificate of ours"),
        pytest.param("localhost", "stranger", True, id="another authority"),
        pytest.param("127.0.0.1", "authority", True, id="another host"),
        pytest.param("localhost", None, True, id="the system's authorities"),
    ],
)
@on_reactor
async def test_whoever_is_not_who_he_should_be_is_not_asked(
    secured: Secured, host: str, ca: str | None, client: bool
) -> None:
    """Nor answered."""
    address = secured.address.replace("localhost", host)
    async with consul_at(address, **secured.files(ca, client)) as asked:
        with pytest.raises(ConsulUnreachableError):
            await asked.request("GET", "catalog/nodes")


def test_files_that_cannot_be_used_are_refused_at_once(tmp_path: Path) -> None:
    """Before anything is asked."""
    one, other = (issue(tmp_path, name) for name in ("one", "other"))
    wrong: list[Files] = [
        {"certificate": one.certificate_file},
        {"certificate": one.certificate_file, "key": other.key_file},
        {"ca": one.key_file},
    ]
    for settings in wrong:
        with pytest.raises(ValueError, match=r"key|PEM"):
            make_tls_policy(settings.get("ca"), settings.get("certificate"), settings.get("key"))
    with pytest.raises(FileNotFoundError):
        make_tls_policy(tmp_path / "none", None, None)
