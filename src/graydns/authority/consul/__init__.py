"""The domain of Consul's catalog, answered as Consul's own DNS does; docs/consul.md tells where not, and why."""
