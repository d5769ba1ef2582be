"""Blue/green: when to shift traffic, and when to take it back. Pure, but for the probe."""
