"""Compute: which sizes a model may be trained and served on, and how many GPUs they have."""
