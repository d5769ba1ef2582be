"""The gate: may this candidate go to production? Pure functions; no I/O, no clock."""
