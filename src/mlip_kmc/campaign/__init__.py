"""Campaigns: explore, select, label, refit and refresh in turn, until a potential no longer extrapolates."""
