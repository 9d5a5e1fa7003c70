"""Dynamic modality scheduling: signals, schedulers and the seam through which weights act."""
