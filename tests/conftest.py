"""Shared by all tests: one thread, no network, and small data of our own."""

from __future__ import annotations

import os

# Before torch or OpenBLAS start: parallel tests on few cores must not spin against each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
