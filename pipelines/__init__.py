"""The seven stages, one thin program each, and `release`, which runs them in order."""
