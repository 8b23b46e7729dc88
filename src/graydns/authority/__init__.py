"""Zone data and the lookup of RFC 1034 over it; no I/O."""
