"""Plans a run by image view, answers it, and keeps its records."""
