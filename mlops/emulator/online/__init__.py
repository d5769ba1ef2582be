"""Managed online endpoints: what is asked for, what runs behind it, and who answers a request."""
