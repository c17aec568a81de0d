"""The run directory: its claim, generations and journals, the read-only view, the sign of life, exported files."""
