"""A signed hierarchy of zones, from the root down, with what validation must accept and what it must refuse."""
