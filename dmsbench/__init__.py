"""Robustness benchmark for vision-language models.

pytest need not look for asserts here, nor warn that this was imported before it: PYTEST_DONT_REWRITE.
"""

__version__ = "0.1.0"
