"""What the student project that this began as published, on its own draw of the noise (protocol: Br35H, 128 x 128)."""

from __future__ import annotations

ORIGINAL_ROWS = {
    "Original network, as published": {"psnr_db": 24.853, "ssim": 0.719, "edge_mse": 0.056, "parameters": 23_617},
    "Original's U-Net, as published": {"psnr_db": 25.875, "ssim": 0.759, "edge_mse": 0.053, "parameters": 304_961},
}
"""Rician noise of sigma 0.05-0.20, 450 test slices of the original split."""

ORIGINAL_PSNR_DB = {
    "gaussian": {0.05: 26.376, 0.10: 24.567, 0.15: 22.655, 0.20: 21.063},
    "rician": {0.05: 26.669, 0.10: 25.536, 0.15: 24.513, 0.20: 22.094},
    "speckle": {0.05: 27.026, 0.10: 26.627, 0.15: 26.002, 0.20: 25.190},
    "mixed": {0.05: 26.699, 0.10: 25.600, 0.15: 24.407, 0.20: 22.765},
}
"""Its own network, by noise type and level."""
