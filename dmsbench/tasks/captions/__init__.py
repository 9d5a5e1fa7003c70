"""Scores of captions: BLEU, ROUGE-L, chrF, CIDEr-D, and what a caption says of a scene."""
