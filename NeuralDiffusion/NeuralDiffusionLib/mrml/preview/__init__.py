"""One slice, denoised at once and shown over its volume."""
