"""Reading and writing files: scans, whole or not at all, and the error that ends a command."""
