"""Explore, select, label, refit, refresh: a potential that is made better until it holds."""
