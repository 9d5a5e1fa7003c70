"""Tasks: how a sample is asked, and how its answer is read and scored."""
