"""One process search, from its task to its outcome."""
