"""Nodes of a scene: volumes, masks, sequences and tables, checked, read, made and written."""
