"""What an evaluation is made of: examples, answers, behavior cases, leaks, and the table of them all."""
