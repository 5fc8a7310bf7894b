"""Whole volumes: ours and filters in three dimensions at the noise levels of the clinic."""
