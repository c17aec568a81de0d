"""The run directory: its claim, generations, epochs and journals, the read-only view, the sign of life, exported files."""
