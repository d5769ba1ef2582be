"""What runs inside an Azure ML job: fine-tuning and evaluation of chat models."""
