"""A module of the scoring script."""

SIZE = "from a module beside the script"
