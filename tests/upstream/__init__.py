"""Tests of the codec; dnspython is the judge of what a message says."""
