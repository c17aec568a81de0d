"""What everything speaks of: structures, frames, paths of atoms, rates, records. Pure."""
