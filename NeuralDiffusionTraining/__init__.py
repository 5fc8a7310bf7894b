"""The command `neural-diffusion`: denoise from a shell, train the network, measure it."""
