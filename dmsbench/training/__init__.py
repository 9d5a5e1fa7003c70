"""Recipes of the embedded models."""
