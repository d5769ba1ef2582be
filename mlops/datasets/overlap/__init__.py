"""What training data must not hold: duplicates, and what a model will be judged by."""
