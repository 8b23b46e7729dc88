"""Answer queries in Consul's domain from a ``model.catalog.Catalog``, as Consul's own DNS server does.

This half is pure; ``sources.consul`` does the I/O and fills the catalog. They stay apart so that answers can be tested
without Consul or a clock. docs/consul.md lists the differences from Consul's answers, with reasons.
"""
