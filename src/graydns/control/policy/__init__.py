"""Signed release policies from Consul's KV: parsed, verified, accepted or refused, stored, published.

``acceptance``, ``overlay``, ``policy_errors``, ``revisions`` and ``signatures`` decide and use no network and no event
loop, as .importlinter checks. The other modules follow Consul, write to it, or write files.

::

    gray/strategy/<revision>/route      rules of the tenant
    gray/strategy/<revision>/weight     shares by service, in proportion
    gray/strategy/<revision>/percent    shares by service, in per cent
    gray/strategy/<revision>/whitelist  clients that always get a version, by service
    gray/strategy/<revision>/meta       what the revision is and where and when it counts
    gray/strategy/<revision>/signature  over all of these
    gray/strategy/active                the active revision
    gray/abort/<service>                kill switch: the service answers with its default version
    gray/off/<tenant>                   kill switch for all services of the tenant; off/* for all tenants

"""
