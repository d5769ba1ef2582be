"""The studio: what the workspace and the runs' records know, as pages to look at; it changes nothing."""
