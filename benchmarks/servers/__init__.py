"""The servers that are measured: each module knows the configuration of one, nothing else does."""
