"""Asking other servers: one exchange interface, selection among servers."""
