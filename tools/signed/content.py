"""What every zone holds: one of each thing that validation treats differently."""

from __future__ import annotations

#: {other}: another zone of the hierarchy, whose names are the targets of aliases. {}: the zone itself.
RECORDS = """\
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
@ MX 10 mail
@ TXT "the apex of {}"
@ A 192.0.2.1
ns A 127.0.0.1
www A 192.0.2.80
www A 192.0.2.81
www AAAA 2001:db8::80
www TXT "www"
mail A 192.0.2.25
mixed MX 10 MAIL
mixed SRV 0 0 853 Www
alias CNAME www
twice CNAME alias
toapex CNAME @
gone CNAME nowhere
loop CNAME loop
out CNAME www.{other}
outtwice CNAME alias.{other}
outgone CNAME nowhere.{other}
outwild CNAME x.wild.{other}
outplain CNAME www.plain.
outbogus CNAME www.altered.test.
away DNAME {other}
inside DNAME branch
www.branch A 192.0.2.82
*.wild A 192.0.2.99
*.wild TXT "wild"
exists.wild A 192.0.2.98
a.ent.wild A 192.0.2.97
*.wildalias CNAME www
*.wildout CNAME www.{other}
a.b.ent A 192.0.2.96
_853._tcp TXT "service"
https HTTPS 1 . alpn=h2
caa CAA 0 issue "example.net"
under\\.dot A 192.0.2.95
\\000nul A 192.0.2.94
""" + "".join(f'big TXT "{number:04} {"x" * 180}"\n' for number in range(30))

#: The least that every fault can be tried with.
BRIEF = """\
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
@ MX 10 www
@ A 192.0.2.1
ns A 127.0.0.1
www A 192.0.2.80
www A 192.0.2.81
www TXT "www"
alias CNAME www
gone CNAME nowhere
out CNAME www.{other}
outgone CNAME nowhere.{other}
away DNAME {other}
*.wild A 192.0.2.99
exists.wild A 192.0.2.98
*.wildalias CNAME www
a.b.ent A 192.0.2.96
"""

#: Names to ask for, most of which exist; {other} as above. An empty one is the apex.
NAMES = (
    *("", "www", "mail", "mixed", "alias", "twice", "toapex", "gone", "loop", "out", "outtwice", "outgone", "outwild"),
    *("outplain", "outbogus", "away", "www.away", "nowhere.away", "x.wild.away", "inside", "www.inside"),
    *("nowhere.inside", "wild", "x.wild", "y.x.wild", "exists.wild", "y.exists.wild", "ent.wild", "y.ent.wild"),
    *("*.wild", "x.wildalias", "x.wildout", "*.wildout", "ent", "b.ent", "a.b.ent", "x.ent", "x.b.ent", "x.a.b.ent"),
    *("_853._tcp", "_tcp", "https", "caa", "under\\.dot", "\\000nul", "nul", "nowhere", "x.nowhere", "zzz", "aaa"),
    *("big", "x.www", "wWw", "cut", "www.cut", "kid", "www.kid", "nowhere.kid", "x.wild.kid", "www.sub.cut"),
)

#: Names to ask for in zones with BRIEF content.
BRIEF_NAMES = (
    *("", "www", "alias", "gone", "out", "outgone", "away", "www.away", "nowhere.away", "wild", "x.wild", "y.x.wild"),
    *("exists.wild", "y.exists.wild", "*.wild", "x.wildalias", "ent", "b.ent", "a.b.ent", "x.ent", "nowhere", "x.www"),
)
