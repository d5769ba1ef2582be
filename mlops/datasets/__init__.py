"""Chat data: from a source to validated, sampled and split JSON Lines; no torch, no Azure."""
