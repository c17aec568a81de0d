"""Process searches: one in a scratch directory, many on a dask cluster, always answered in the order of submission."""
