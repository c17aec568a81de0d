"""Where searches run: the dask cluster, crews on other nodes, their keys."""
