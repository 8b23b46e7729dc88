"""The starter configuration that ``graydnsctl init`` writes: path below the folder -> text."""

from __future__ import annotations

MAIN = """\
# graydns.yaml: the main file. Every key has a default; docs/configuration.md explains them all.
# Check it with: graydnsctl check graydns.yaml
# Start it with: twistd -n graydns --config graydns.yaml

listen: ["udp://127.0.0.1:5300", "tcp://127.0.0.1:5300"]

# For DNS over TLS, add "tls://127.0.0.1:8853" above and name a certificate:
# tls: {certificate: var/dot.crt, key: var/dot.key}

data: var/
zones: zones/     # each zones/*/zone-config.yaml is a zone

# Names that are in no zone go to the resolvers of this machine, for clients in private networks only.
upstreams:
  default: {servers: [system], deadline: 500ms}
forward: {".": default}
"""

ZONE_CONFIG = """\
# What graydns does with the zone example.test, beyond the records in its zone file.
zone: example.test
tenant_id: example
config_version: "1"      # raise it with every change: only a higher one is taken up
source: {file: example.test.zone}

services:
  # One name, two versions. 5 % of the clients get the canary, always the same ones.
  api.example.test:
    ttl: 5s
    versions:
      stable: {A: [192.0.2.10, 192.0.2.11], AAAA: ["2001:db8::10", "2001:db8::11"]}
      canary: {A: [192.0.2.20], AAAA: ["2001:db8::20"]}
    default: stable
    whitelist: {canary: ["net:127.0.0.0/8"]}
    percent: {canary: 5}

rules:
  - {name: ads, when: {name: "*.ads.example.test"}, then: {block: nodata}}
"""

ZONE = """\
$TTL 300
@       IN SOA  ns1.example.test. hostmaster.example.test. 1 3600 600 604800 60
        IN NS   ns1.example.test.
ns1     IN A    127.0.0.1
www     IN A    192.0.2.1
        IN AAAA 2001:db8::1
"""

FILES = {
    "graydns.yaml": MAIN,
    "zones/example.test/zone-config.yaml": ZONE_CONFIG,
    "zones/example.test/example.test.zone": ZONE,
}
