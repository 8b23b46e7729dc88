"""The admin interface: Perspective Broker over a Unix socket or TLS, with the operations of ``graydns.operations``.

::

    connection → AdminConnections (how many) → AdminBroker (size of requests, calls at once, time-outs)
        → AdminRoot.login → Portal → PeerChecker | PasswordChecker (identity) → AdminRealm → Perspective
            → OperationDispatcher (role, arguments, tenant, audit log) → handler | ControlPlane → pages of the reply
"""
