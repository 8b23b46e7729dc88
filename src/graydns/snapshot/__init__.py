"""Everything a query needs, immutable and numbered: compile and swap."""
