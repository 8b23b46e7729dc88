"""graydnsctl; imports nothing of the server's machinery."""
