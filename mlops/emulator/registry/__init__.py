"""The registries: foundation models and components shared across workspaces, described by files."""
