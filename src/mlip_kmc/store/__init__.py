"""A run directory: the claim, generations, journals, the read-only view, the sign of life."""
