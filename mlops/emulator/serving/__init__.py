"""What runs inside a deployment's container."""
