"""What people see: progress while it runs, tables when it is done, Markdown on GitHub."""
