"""Runs on volumes, on all frames of a sequence and on many volumes: checked, worked on, written."""
