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
        "Tell what a client would get for NAME and why: every rule, in the order in which they are tried.",
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
            Argument("source", str | None, None, "Address of the one who asks.", "--source", "ADDRESS"),
            Argument("subnet", str | None, None, "Client subnet (ECS) in the query.", "--subnet", "CIDR"),
            Argument("client", str | None, None, "Identity: tls:…, tsig:… or client:….", "--client", "ID"),
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
            Argument("tenant", str | None, None, "Whose rules, for a name that is in no zone.", "--tenant"),
        ),
        command="explain",
    ),
    Operation(
        "why",
        VIEWER,
        TenantScope.OWN,
        "Explain the last answers that CLIENT really got.",
        Reply(
            "at way name type client rcode answer tenant service outcome endpoint why explanation still",
            {"explanation": "as `explain`, without `rules`"},
            is_list=True,
            order="newest first",
            empty_text="nothing is kept of that client",
        ),
        (Argument("client", help="Address, subnet or identity.", option="--last", metavar="CLIENT"),),
        ("tenant",),
        command="why",
    ),
    Operation(
        "upstreams",
        VIEWER,
        TenantScope.SERVER,
        "List the servers that are asked, and how they do.",
        Reply(is_list=True),
        command="upstreams",
    ),
    Operation(
        "trace",
        VIEWER,
        TenantScope.NAME,
        "Show the last queries for NAME with the stages they passed and their times in microseconds.",
        Reply(is_list=True, empty_text="nothing is kept; begin with --watch"),
        (NAME, Argument("last", int, 20, "How many queries.", "--last", bounds=(1, 1000))),
        command="trace",
        details="They are kept from --watch on, until --no-watch.",
    ),
    Operation(
        "trace_watch",
        OPERATOR,
        TenantScope.NAME,
        "Begin or end to keep what queries for NAME pass.",
        Reply("before after names", {"names": "that are watched; not for users of one tenant"}),
        (NAME, Argument("on", bool, is_offered=False)),
        action="trace.watch",
        target="name",
        command="trace --watch",
    ),
    Operation(
        "cache_stats",
        VIEWER,
        TenantScope.SERVER,
        "Tell how full the caches are and how often they helped.",
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
            {"left": "seconds", "security": "`secure`, `insecure`, or null where nobody validated"},
            is_list=True,
        ),
        (NAME, evolve(RDTYPE, metavar="TYPE")),
        command="cache lookup",
    ),
    Operation(
        "cache_flush",
        OPERATOR,
        TenantScope.TENANT,
        "Forget cached answers: all, or those for NAME.",
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
        docs="A tenant that is isolated neither in `storage` nor in `network` shares the cache of `default`: for "
        "such a one it is refused.",
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
        "Let NAME and all below it count as unsigned, from now on and over restarts.",
        CHANGE_OF_NAME,
        (
            NAME,
            Argument(
                "seconds",
                float,
                help="How long; 30d at most.",
                option="--for",
                cli_default="1d",
                kind=ArgumentKind.DURATION,
            ),
            Argument("reason", str, "", "Why, for those who look at the list later.", "--reason"),
        ),
        ("actor",),
        action="nta.add",
        target="name",
        command="nta add",
        details="Look first whether the zone is broken, and not attacked: its operators know.",
    ),
    Operation(
        "nta_remove",
        OPERATOR,
        TenantScope.SERVER,
        "Let signatures count again at NAME and below.",
        CHANGE_OF_NAME,
        (NAME,),
        ("actor",),
        action="nta.remove",
        target="name",
        command="nta remove",
        docs="One that is configured is taken out of the file.",
    ),
    Operation(
        "dnssec_explain",
        VIEWER,
        TenantScope.TENANT_AND_ZONE,
        "Ask for NAME and tell, from the trust anchor down, what is signed by which key, and what the answer is worth.",
        Reply(
            "name type tenant upstream at steps security reason ede failed until records",
            {
                "at": "the time that signatures are looked at",
                "security": "`secure`, `insecure`, `bogus`, `indeterminate`",
                "ede": "or null",
                "failed": "number of the step, or null",
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
            evolve(TENANT, help="As for this tenant's clients."),
            Argument("cd", bool, False, "Also show the records, as clients with the CD bit get them.", "--cd"),
        ),
        command="dnssec explain",
    ),
)
