"""The library under the stages: how each of them does its work."""
