"""Azure ML on this machine: an HTTPS server on loopback that the official SDK cannot tell from the service."""

__version__ = "0.1.0"
