"""Behaviour tests of txconsul, against real Consul agents wherever one can be had."""
