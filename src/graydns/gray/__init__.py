"""Pure choice: which version of a service, if any, a client gets."""
