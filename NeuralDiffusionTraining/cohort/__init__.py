"""Many scans on Dask: which they are, what is done with each, what is done already, and how far that scales."""
