"""A result beside what classical filters make of the same volume, and beside a reference."""
