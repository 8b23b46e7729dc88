"""The admin interface: Perspective Broker over a unix socket or TLS.

::

    connection → AdminFactory (how many) → AdminBroker (how large, how long, how much at once)
        → AdminRoot.login → Portal → Checker (who) → Realm → Viewer | Operator | Administrator (may do what)
            → remote (role, tenant, arguments, audit, errors, pages) → Control
"""
