"""What a command raises when the fault is in its input."""

from __future__ import annotations


class CommandError(Exception):
    """One sentence for the user; the command ends with status 2 and prints nothing else."""
