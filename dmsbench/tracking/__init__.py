"""Finished runs in experiment trackers: MLflow and Weights & Biases, by their own clients."""
