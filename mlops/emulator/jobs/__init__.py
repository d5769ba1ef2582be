"""Jobs: submitted, run as processes, followed and remembered."""
