"""Maps and traces in the scene: where the equation smoothed, and how sure the network is."""
