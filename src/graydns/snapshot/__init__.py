"""Snapshots: compiled from configuration, zones and policies; replaced as a whole and reclaimed in small steps."""
