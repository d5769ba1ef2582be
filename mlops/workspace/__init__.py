"""Azure ML through its official SDK; the only package that imports azure.ai.ml."""
