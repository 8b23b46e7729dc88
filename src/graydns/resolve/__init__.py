"""The Deferred-based resolver chain; pipeline.py states its order."""
