"""Work beside queries: slices, periodic tasks, timers, deferred deallocation, durable files, the anomaly log."""
