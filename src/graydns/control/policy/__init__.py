"""Release policies from Consul's KV: read, verified, and taken or refused. Pure but for ``keys``, which reads files.

::

    gray/strategy/<revision>/route      rules of the tenant
    gray/strategy/<revision>/weight     shares by service, in proportion
    gray/strategy/<revision>/percent    shares by service, in per cent
    gray/strategy/<revision>/whitelist  who always gets a version, by service
    gray/strategy/<revision>/meta       what the revision is and where and when it counts
    gray/strategy/<revision>/signature  over all of these
    gray/strategy/active                the revision that counts
    gray/abort/<service>                this service gives its default, whatever else is said
    gray/off/<tenant>                   all services of this tenant do, or of all for off/*

A listing of these keys goes through ``reading.read_candidate`` and ``acceptance.judge``.
"""
