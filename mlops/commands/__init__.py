"""The commands of `mlops`, a module per noun; each imports what is heavy only when it runs."""
