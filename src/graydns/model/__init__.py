"""The words of graydns as frozen values: no I/O, no clock, nothing of Twisted.

Each module holds one term of docs/architecture.md; everything above imports from here.
"""
