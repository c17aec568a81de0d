"""A structure by eOn, LAMMPS or python-ace: numbers."""
