"""delv as a third opinion: what it calls validated, unsigned or broken, graydns does too."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import dns.rdatatype
import pytest

from tests.dnssec.world.asking import Question, ask_all
from tests.dnssec.world.questions import questions
from tests.e2e.serving import serving as serving_graydns
from tests.e2e.serving import write
from tests.e2e.test_dnssec_agreement import configuration
from tools.process import free_ports
from tools.signed.hierarchy import BAD, GOOD, INSECURE, TOPS, build
from tools.signed.served import serving

#: delv differs here: a revoked key counts, a SHA-1 digest beside a better one too; trust anchors are the root's only.
NOT_ASKED = {"revoked.test.", "right-sha1.test.", "corp."}

#: Types that delv asks other questions for, or answers in another form.
NOT_COMPARED = {dns.rdatatype.ANY, dns.rdatatype.RRSIG}

SPECS = [each for each in (*TOPS, *GOOD, *INSECURE, *BAD) if each.name not in NOT_ASKED]


@pytest.mark.timeout(240)
def test_graydns_and_delv_agree(require_peer: Callable[[str], str], tmp_path: Path) -> None:
    """delv has no clock of its own, so this hierarchy is signed for today."""
    delv, now = require_peer("delv"), int(time.time())
    require_peer("named")
    for name in ("world", "graydns"):
        (tmp_path / name).mkdir()
    zones = build(SPECS, now)
    anchors = [line for zone in zones for line in zone.anchors()]
    asked = [each for each in questions(SPECS, 4) if each.rdtype not in NOT_COMPARED and "CD" not in each.flags]
    asked = [Question(each.name, each.rdtype, frozenset({"DO"})) for each in asked]
    with ExitStack() as held:
        upstream = held.enter_context(serving(zones, tmp_path / "world"))
        (port,) = free_ports(1)
        text = configuration(port, upstream.port, anchors, now)
        held.enter_context(serving_graydns(write(tmp_path / "graydns", text, {}), port))
        file = tmp_path / "anchors.conf"
        file.write_text("".join(as_delv_has_it(line) for line in anchors))
        ours = [("no answer" if each.rcode == "SERVFAIL" else each.ad) for each in ask_all(port, asked)]
        theirs = [opinion(delv, file, upstream.port, each) for each in asked]
    assert len(asked) > 150
    assert [each for each in zip(map(str, asked), ours, theirs, strict=True) if each[1] != each[2]] == []


def as_delv_has_it(line: str) -> str:
    """A trust anchor for its configuration."""
    name, _, _, tag, algorithm, digest_type, digest = line.split()
    return f'trust-anchors {{ {name} static-ds {tag} {algorithm} {digest_type} "{digest}"; }};\n'


def opinion(delv: str, anchors: Path, port: int, question: Question) -> bool | str:
    """Whether it is validated; "no answer" where there is none."""
    command = [delv, "@127.0.0.1", "-p", str(port), "-a", str(anchors), "+root=.", "-q", str(question.name)]
    command += ["-t", dns.rdatatype.to_text(question.rdtype)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30)
    everything = said.stdout + said.stderr
    if "resolution failed" in everything and "negative response" not in everything:
        return "ncache" in everything or "no answer"
    return "unsigned answer" not in everything and "fully validated" in everything
