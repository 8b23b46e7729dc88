"""Behaviour tests of graydns, a package for each package under test."""
