"""Operations on services and on gray routing as a whole."""

from __future__ import annotations

from attrs import evolve

from graydns.model.users import OPERATOR, VIEWER
from graydns.operations.operation import CHANGE, TENANT, Argument, ArgumentKind, Operation, Reply, TenantScope

SERVICE = Argument("name", kind=ArgumentKind.SERVICE)
DURATION = Argument(
    "seconds",
    float | None,
    None,
    "How long the change applies, such as 2h; without it until `service revert`.",
    "--for",
    kind=ArgumentKind.DURATION,
)
LOCAL = Argument("local", bool, False, "On this node only, where policies come from Consul.", "--local")
TENANT_SERVICES = evolve(TENANT, help="Only this tenant's services.")
ENTRY = Argument("add", list[str], metavar="ENTRY", option="--add")

SIGNED = (
    "With `consul.policy` it publishes a new revision for all nodes ([policies.md](policies.md)), signed with "
    "`--key FILE` where policies are signed."
)

SERVICE_OPERATIONS = (
    Operation(
        "services",
        VIEWER,
        TenantScope.TENANT,
        "List the services.",
        Reply(
            "name tenant zone default versions live",
            is_list=True,
            columns="name tenant zone",
        ),
        (TENANT,),
        command="service list",
    ),
    Operation(
        "service_show",
        VIEWER,
        TenantScope.SERVICE,
        "Show what the file says, what is in effect, and what was served.",
        Reply(
            "name tenant zone configured policy effective live aborted gray_off unfit asked consul served",
            {
                "configured": "what the file says",
                "policy": "shares and whitelist if KV has others, else null",
                "live": "as `drift`",
                "asked": "version → per cent",
                "consul": "version from Consul → `state`: `healthy`, `panic`, `gone` or `unknown`, `healthy`, "
                "`instances`, `emptied`, `endpoints`, `why`",
                "served": "version → `queries`, `queries_percent`, `clients`, `clients_percent`",
            },
        ),
        (SERVICE,),
        command="service show",
    ),
    Operation(
        "service_percent",
        OPERATOR,
        TenantScope.SERVICE,
        "Give each VERSION a share of the clients, in steps of 0.0001 %.",
        CHANGE,
        (
            SERVICE,
            Argument("percent", dict[str, str], metavar="VERSION=PERCENT...", kind=ArgumentKind.SHARES),
            DURATION,
            LOCAL,
        ),
        ("actor",),
        action="service.percent",
        target="name",
        command="service percent",
        docs=SIGNED,
    ),
    Operation(
        "service_weights",
        OPERATOR,
        TenantScope.SERVICE,
        "Divide the clients between versions in proportion to whole numbers.",
        CHANGE,
        (
            SERVICE,
            Argument("weights", dict[str, int], metavar="VERSION=WEIGHT...", kind=ArgumentKind.SHARES),
            DURATION,
            LOCAL,
        ),
        ("actor",),
        action="service.weights",
        target="name",
        command="service weights",
        docs=SIGNED,
    ),
    Operation(
        "service_whitelist",
        OPERATOR,
        TenantScope.SERVICE,
        "Change which clients always get VERSION.",
        CHANGE,
        (
            SERVICE,
            Argument("version", kind=ArgumentKind.VERSION),
            evolve(ENTRY, help="client:ID, tls:ID, tsig:ID or net:CIDR; may be repeated."),
            evolve(ENTRY, name="remove", option="--remove", help="An entry of the whitelist; may be repeated."),
            DURATION,
            LOCAL,
        ),
        ("actor",),
        action="service.whitelist",
        target="name",
        command="service whitelist",
        docs=SIGNED,
    ),
    Operation(
        "service_abort",
        OPERATOR,
        TenantScope.SERVICE,
        "Send all clients to the default version at once; where policies come from Consul, on all nodes.",
        CHANGE,
        (SERVICE, LOCAL),
        ("actor",),
        action="service.abort",
        target="name",
        command="service abort",
    ),
    Operation(
        "service_revert",
        OPERATOR,
        TenantScope.SERVICE,
        "Remove every live change, and an abort on all nodes: the file, or the policy, applies again.",
        CHANGE,
        (
            SERVICE,
            LOCAL,
            Argument(
                "policy",
                bool,
                False,
                "Instead, remove the service from the policy in Consul, on all nodes.",
                "--policy",
            ),
        ),
        ("actor",),
        action="service.revert",
        target="name",
        command="service revert",
    ),
    Operation(
        "gray_off",
        OPERATOR,
        TenantScope.TENANT,
        "Send all services to their default versions until `gray on`, also across restarts.",
        CHANGE,
        (TENANT_SERVICES, LOCAL),
        ("actor",),
        action="gray.off",
        target="tenant",
        command="gray off",
        details="On all nodes, where policies come from Consul.",
        docs="`status` shows it first.",
    ),
    Operation(
        "gray_on",
        OPERATOR,
        TenantScope.TENANT,
        "Undo `gray off`.",
        CHANGE,
        (TENANT_SERVICES, LOCAL),
        ("actor",),
        action="gray.on",
        target="tenant",
        command="gray on",
    ),
)
