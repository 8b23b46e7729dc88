"""What Consul tells: its catalog."""
