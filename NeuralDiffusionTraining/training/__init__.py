"""One training run: samples, loss, task, checkpoints and curves."""
