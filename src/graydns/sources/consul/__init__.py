"""Follow Consul's catalog: blocking queries, polling, and the copy on disk that a start without Consul uses.

This half does the I/O and fills a ``model.catalog.Catalog``; ``authority.consul`` answers queries from it. They stay
apart so that what answers is pure: it can be tested without Consul or a clock, and a slow Consul cannot delay it.
"""
