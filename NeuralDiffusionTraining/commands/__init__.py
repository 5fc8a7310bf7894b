"""One file for each command: its options and help, what it checks first, what it prints."""
