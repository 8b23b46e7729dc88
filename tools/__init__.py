"""What tests and benchmarks share and users never import: real peers, and processes that always end."""
