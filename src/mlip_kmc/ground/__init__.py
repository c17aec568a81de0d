"""The ground: files, outside programs, errors, units and constants, the environment."""
