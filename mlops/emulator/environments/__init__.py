"""The Python that jobs and deployments run in."""
