"""Where configuration comes from; sources never touch a query."""
