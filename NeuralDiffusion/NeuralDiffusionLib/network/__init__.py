"""The network: noise level, guidance, conduction, diffusion, bias inversion, refinement."""
