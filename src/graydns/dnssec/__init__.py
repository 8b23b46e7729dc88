"""DNSSEC validation (RFC 4033 to 4035, 5155, 6840): decides what an answer is worth. No I/O and no clock."""
