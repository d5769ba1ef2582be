"""MLflow, as Azure ML has it: one tracking server, where each job is a run, behind the workspace's own door."""
