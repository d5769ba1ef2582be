"""What stages and operators do to the endpoint: roll out, roll back, look, delete, rehearse."""
