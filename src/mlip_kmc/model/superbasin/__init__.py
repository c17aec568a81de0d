"""Leaving a superbasin: by which process, after how long, and where every atom is then. Pure: numbers in, numbers out."""
