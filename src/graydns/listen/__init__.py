"""Listeners for UDP, TCP and DNS over TLS: bytes in, bytes out; framing, limits, TLS."""
