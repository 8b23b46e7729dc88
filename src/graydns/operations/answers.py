"""Operations on answers: why a client gets them, the upstream servers, the caches, DNSSEC validation."""

from __future__ import annotations

from attrs import evolve

from graydns.model.transport import TRANSPORTS, UDP
from graydns.model.users import OPERATOR, VIEWER
from graydns.operations.operation import RDTYPE, TENANT, Argument, ArgumentKind, Operation, Reply, TenantScope

NAME = Argument("name")
RULE = Reply("rule zone outcome matched reason", is_list=True)
CHANGE_OF_NAME = Reply("before after name")

ANSWER_OPERATIONS = (
    Operation(
        "explain",
        VIEWER,
        TenantScope.TENANT_AND_ZONE,
        "Show what a client would get for NAME and why: every rule, in the order in which they are tried.",
        Reply(
            "tenant name qtype zone service key key_hex bucket split versions catalog instances whitelist decided_by "
            "verdict endpoint cohort ttl scope private varies reach rules",
            {
                "versions": "what became of those from Consul",
                "catalog": "in Consul's domain: what the name stands for; else null",
                "instances": "of the answer, in its order, at most 100",
            },
            parts={"rules": RULE},
        ),
        (
            NAME,
            RDTYPE,
            Argument("source", str | None, None, "Source address of the query.", "--source", "ADDRESS"),
            Argument("subnet", str | None, None, "Client subnet (ECS) in the query.", "--subnet", "CIDR"),
            Argument("client", str | None, None, "Client identity: tls:…, tsig:… or client:….", "--client", "ID"),
            Argument(
                "tags",
                dict[str, str] | None,
                None,
                "A tag in the query; may be repeated.",
                "--tag",
                "K=V",
                kind=ArgumentKind.PAIRS,
            ),
            Argument("transport", str, UDP.name, option="--transport", choices=tuple(TRANSPORTS)),
            Argument(
                "tenant", str | None, None, "The tenant whose rules apply, for a name that is in no zone.", "--tenant"
            ),
        ),
        command="explain",
    ),
    Operation(
        "why",
        VIEWER,
        TenantScope.OWN,
        "Explain the last answers that CLIENT got.",
        Reply(
            "at way name type client rcode answer tenant service outcome endpoint why explanation still",
            {"explanation": "as `explain`, without `rules`"},
            is_list=True,
            order="newest first",
            empty_text="no answers to that client are recorded",
        ),
        (Argument("client", help="Client address, subnet or identity.", option="--last", metavar="CLIENT"),),
        ("tenant",),
        command="why",
    ),
    Operation(
        "upstreams",
        VIEWER,
        TenantScope.SERVER,
        "List the upstream servers and their state.",
        Reply(is_list=True),
        command="upstreams",
    ),
    Operation(
        "trace",
        VIEWER,
        TenantScope.NAME,
        "Show the last queries for NAME with their stages and the durations in microseconds.",
        Reply(is_list=True, empty_text="no queries are recorded; start with --watch"),
        (NAME, Argument("last", int, 20, "How many queries.", "--last", bounds=(1, 1000))),
        command="trace",
        details="Queries are recorded from --watch until --no-watch.",
    ),
    Operation(
        "trace_watch",
        OPERATOR,
        TenantScope.NAME,
        "Start or stop recording queries for NAME.",
        Reply("before after names", {"names": "all names that are recorded; not for users of one tenant"}),
        (NAME, Argument("on", bool, is_offered=False)),
        action="trace.watch",
        target="name",
        command="trace --watch",
    ),
    Operation(
        "cache_stats",
        VIEWER,
        TenantScope.SERVER,
        "Show how full the caches are and how many hits they have.",
        Reply(
            "counts partitions hot",
            {"partitions": "tenant → `entries`, `bytes`, `limit`", "hot": "tenant → `bytes`, `limit`"},
        ),
        command="cache stats",
    ),
    Operation(
        "cache_lookup",
        VIEWER,
        TenantScope.SERVER,
        "Show what is cached for NAME and TYPE.",
        Reply(
            "tenant upstream cohort subnet do cd rcode left security hits why",
            {"left": "seconds", "security": "`secure`, `insecure`, or null if not validated"},
            is_list=True,
        ),
        (NAME, evolve(RDTYPE, metavar="TYPE")),
        command="cache lookup",
    ),
    Operation(
        "cache_flush",
        OPERATOR,
        TenantScope.TENANT,
        "Remove cached answers: all, or those for NAME.",
        Reply("before after flushed"),
        (
            Argument("name", str | None, None),
            Argument("cohort", str | None, None, "Only answers for this cohort, as `explain` writes it.", "--cohort"),
            TENANT,
        ),
        ("actor",),
        action="cache.flush",
        target="name",
        command="cache flush",
        docs="A tenant that is isolated neither in `storage` nor in `network` shares the cache of `default`, "
        "which it cannot flush.",
    ),
    Operation(
        "nta_list",
        VIEWER,
        TenantScope.SERVER,
        "List the negative trust anchors, those of the configuration included.",
        Reply(
            "name source until actor at reason",
            {"source": "`config`, `operator`"},
            is_list=True,
            columns="name source until",
            note="the last three are null for `config`",
        ),
        command="nta list",
    ),
    Operation(
        "nta_add",
        OPERATOR,
        TenantScope.SERVER,
        "Treat NAME and all names below it as unsigned, also across restarts.",
        CHANGE_OF_NAME,
        (
            NAME,
            Argument(
                "seconds",
                float,
                help="How long, at most 30d.",
                option="--for",
                cli_default="1d",
                kind=ArgumentKind.DURATION,
            ),
            Argument("reason", str, "", "The reason, shown in the list.", "--reason"),
        ),
        ("actor",),
        action="nta.add",
        target="name",
        command="nta add",
        details="Make sure first that the zone is broken and not attacked: ask its operators.",
    ),
    Operation(
        "nta_remove",
        OPERATOR,
        TenantScope.SERVER,
        "Validate signatures at NAME and below again.",
        CHANGE_OF_NAME,
        (NAME,),
        ("actor",),
        action="nta.remove",
        target="name",
        command="nta remove",
        docs="A configured one has to be removed from the file.",
    ),
    Operation(
        "dnssec_explain",
        VIEWER,
        TenantScope.TENANT_AND_ZONE,
        "Resolve NAME and show, from the trust anchor down, which key signs what, and the result of validation.",
        Reply(
            "name type tenant upstream at steps security reason ede failed until records",
            {
                "at": "the time at which signatures are checked",
                "security": "`secure`, `insecure`, `bogus`, `indeterminate`",
                "ede": "or null",
                "failed": "number of the failed step, or null",
                "until": "when the first signature expires",
                "records": "with `--cd`",
            },
            parts={
                "steps": Reply(
                    "step name type security text zone key_tag algorithm inception expiration",
                    {"step": "from 1"},
                    is_list=True,
                    note="the last five are of the signature, or null",
                )
            },
        ),
        (
            NAME,
            RDTYPE,
            evolve(TENANT, help="As for clients of this tenant."),
            Argument("cd", bool, False, "Also show the records, as clients with the CD bit get them.", "--cd"),
        ),
        command="dnssec explain",
    ),
)
