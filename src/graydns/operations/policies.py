"""Operations on the release policies in Consul's KV. ``docs/policies.md`` explains them."""

from __future__ import annotations

from graydns.model.users import ADMIN, OPERATOR, VIEWER
from graydns.operations.operation import CHANGE, Argument, Operation, Reply, TenantScope

#: A text of a release policy, in parts of at most MAX_TEXT_CHARACTERS.
PARTS = Argument("parts", list[str], is_offered=False)
REVISION = Argument("revision", int, bounds=(1, None))

POLICY_OPERATIONS = (
    Operation(
        "policy_list",
        VIEWER,
        TenantScope.SERVER,
        "List the revisions in KV and whether they can be accepted.",
        Reply(
            "revision active running state tenant signed_by author description",
            {"state": "`ok`; `lower`: a higher one was accepted before; or why else it cannot be accepted"},
            is_list=True,
            order="lowest first",
            columns="revision active running",
            empty_text="there is no revision",
        ),
        command="policy list",
    ),
    Operation(
        "policy_show",
        VIEWER,
        TenantScope.SERVER,
        "Show a revision, or the active one, as JSON that can be pushed.",
        Reply(note="the keys of a revision"),
        (Argument("revision", int | None, None, bounds=(1, None)),),
        command="policy show",
    ),
    Operation(
        "policy_draft",
        OPERATOR,
        TenantScope.SERVER,
        "Make the next revision, with one service changed, for the client to sign and push.",
        Reply("base revision", {"base": "number of the active revision; 0 = none"}),
        (
            Argument("name"),
            Argument("percent", dict[str, str] | None, None),
            Argument("weights", dict[str, int] | None, None),
            Argument("whitelist", dict[str, list[str]] | None, None),
            Argument("version", str, ""),
        ),
        ("actor",),
    ),
    Operation(
        "policy_part",
        OPERATOR,
        TenantScope.SERVER,
        "Append to the text that `policy_push` publishes, where it is too large for one request.",
        Reply("characters"),
        (PARTS, Argument("first", bool, is_offered=False)),
    ),
    Operation(
        "policy_push",
        OPERATOR,
        TenantScope.SERVER,
        "Publish the policy in a file in one transaction.",
        CHANGE,
        (
            PARTS,
            Argument("activate", bool, True, is_offered=False),
            Argument("base", int | None, None, is_offered=False),
            Argument("more", bool, False, is_offered=False),
        ),
        ("actor",),
        action="policy.push",
        command="policy push",
        docs="See [policies.md](policies.md).",
    ),
    Operation(
        "policy_activate",
        OPERATOR,
        TenantScope.SERVER,
        "Activate a revision that was pushed with --no-activate.",
        CHANGE,
        (REVISION,),
        ("actor",),
        action="policy.activate",
        target="revision",
        command="policy activate",
    ),
    Operation(
        "policy_reset",
        ADMIN,
        TenantScope.SERVER,
        "Set the highest accepted revision to REVISION: it, whatever it contains, and higher ones are accepted.",
        CHANGE,
        (Argument("revision", int, bounds=(0, None)),),
        ("actor",),
        action="policy.high-water",
        target="revision",
        command="policy high-water reset",
    ),
)
