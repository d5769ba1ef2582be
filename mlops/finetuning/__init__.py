"""From settings and a model's own defaults to the parameters, the name and the key of a fine-tuning job."""
