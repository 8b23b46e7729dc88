"""The doors: UDP, TCP and DNS over TLS. Bytes in, bytes out; framing, limits, TLS."""
