"""graydns: a DNS server that decides, per client, which version of a service answers."""
