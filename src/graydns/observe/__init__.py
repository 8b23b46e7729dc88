"""What the server tells about itself; reached through the Protocols in model."""
