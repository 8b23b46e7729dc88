"""Faults on the way from the signed hierarchy to the resolvers, and how their answers to them compare."""
