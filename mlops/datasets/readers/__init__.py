"""The formats that conversations come in, each read as batches of rows."""
