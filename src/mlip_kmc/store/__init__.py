"""A run directory: the claim, generations, epochs, journals, the read-only view, the sign of life."""
