"""Codes, data, models, environments and components of the workspace, and where each lies."""
