"""delv as a third opinion: what it calls validated, unsigned or broken, graydns does too."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import dns.rdatatype
import pytest

from tests.dnssec.world.asking import Question, ask_all
from tests.dnssec.world.questions import questions
from tests.e2e.serving import serving as serving_graydns
from tests.e2e.serving import write
from tests.e2e.test_dnssec_agreement import configuration
from tools.ports import free_ports
from tools.signed.hierarchy import BAD, GOOD, INSECURE, TOPS, anchors_of, build
from tools.signed.served import serving
from tools.signed.spec import Nsec

#: delv differs here: a revoked key counts, a SHA-1 digest beside a better one too; trust anchors are the root's only.
NOT_ASKED = {"revoked.test.", "right-sha1.test.", "corp."}

#: Types that delv asks other questions for, or answers in another form.
NOT_COMPARED = {dns.rdatatype.ANY, dns.rdatatype.RRSIG}

#: Zones that are there, and those asked: delv calls a name secure that does not exist but for opt-out (RFC 5155 9.2).
SPECS = [each for each in (*TOPS, *GOOD, *INSECURE, *BAD) if each.name not in NOT_ASKED]
ASKED = [each for each in SPECS if isinstance(each.denial, Nsec) or not each.denial.opt_out]


@pytest.mark.timeout(240)
def test_graydns_and_delv_agree(require_peer: Callable[[str], str], tmp_path: Path) -> None:
    """delv has no clock of its own, so this hierarchy is signed for today."""
    delv, now = require_peer("delv"), int(time.time())
    require_peer("named")
    for name in ("world", "graydns"):
        (tmp_path / name).mkdir()
    zones = build(SPECS, now)
    anchors = anchors_of(zones)
    asked = [each for each in questions(ASKED, 3) if each.rdtype not in NOT_COMPARED and "CD" not in each.flags]
    asked = [Question(each.name, each.rdtype, frozenset({"DO"})) for each in asked]
    with ExitStack() as held:
        upstream = held.enter_context(serving(zones, tmp_path / "world"))
        (port,) = free_ports(1)
        text = configuration(port, upstream.port, anchors, now)
        held.enter_context(serving_graydns(write(tmp_path / "graydns", text, {}), port))
        file = tmp_path / "anchors.conf"
        file.write_text("".join(as_delv_has_it(line) for line in anchors))
        ours = [("no answer" if each.rcode == "SERVFAIL" else each.ad) for each in ask_all(port, asked)]
        several = held.enter_context(ThreadPoolExecutor(4))
        theirs = list(several.map(lambda each: opinion(delv, file, upstream.port, each), asked))
    assert len(asked) > 120
    wrong = [
        f"{each[0]}: delv {each[2]}, graydns {each[1]}"
        for each in zip(asked, ours, theirs, strict=True)
        if each[1] != each[2]
    ]
    assert wrong == [], "\n".join(wrong)


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
    if "resolution failed" in everything and "ncache" not in everything:
        return "no answer"
    if "unsigned answer" in everything:
        return False
    return True if "fully validated" in everything else "no answer"
