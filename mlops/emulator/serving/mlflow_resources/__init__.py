"""What Azure's image for MLflow models holds."""
