"""The volume engine: a volume in the scanner's units through the network, on any device."""
