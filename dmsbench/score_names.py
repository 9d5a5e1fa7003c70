"""Tasks and the names of their scores: what a suite may say. ``tasks.scorers`` has what computes them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: The task that searches; in all others a prompt is answered.
RETRIEVAL = "retrieval"
#: The first of a task is its suites' where they name none.
SCORES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "vqa": (
            "exact_match",
            "exact_match_parsed",
            "vqa_v2_official",
            "vqa_v2_normalized",
            "vqa_v2_normalized_parsed",
        ),
        "captioning": ("cider_d", "attributes", "bleu4", "rouge_l", "chrf"),
        RETRIEVAL: ("recall_at_1", "recall_at_5", "recall_at_10", "reciprocal_rank"),
    }
)
