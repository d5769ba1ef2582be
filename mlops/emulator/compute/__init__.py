"""Clusters and machine sizes."""
