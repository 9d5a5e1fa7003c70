"""The record: one model's answer to one sample under one condition."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from dmsbench.tasks.scorers import Scorer

#: Part of every key: records of another layout are never mixed in.
RECORD_VERSION = 2

#: What became of a row. Only ``ok`` rows have a score; the others are counted, never scored as wrong.
#: ``left_out`` is no error: the corruption would have made the sample's own answer wrong (see ``truth``).
LEFT_OUT = "left_out"
STATUSES = ("ok", LEFT_OUT, "model_error", "corruption_error", "parse_error", "data_error")

_NAME = pa.dictionary(pa.int32(), pa.string())

SCHEMA = pa.schema(
    [
        pa.field("model", _NAME),
        pa.field("sample_id", pa.string()),
        pa.field("group", _NAME),
        pa.field("image_corruption", _NAME),
        pa.field("image_severity", pa.int8()),
        pa.field("text_corruption", _NAME),
        pa.field("text_severity", pa.int8()),
        pa.field("question", pa.string()),
        pa.field("context", pa.string()),
        pa.field("references", pa.list_(pa.string())),
        pa.field("prediction", pa.string()),
        pa.field("score", pa.float32()),
        pa.field("status", _NAME),
        pa.field("error", pa.string()),
        pa.field("changed", pa.bool_()),
        pa.field("image_hash", pa.string()),
        pa.field("text_hash", pa.string()),
        pa.field("confidence", pa.float32()),
        pa.field("margin", pa.float32()),
        pa.field("weight_image", pa.float32()),
        pa.field("weight_text", pa.float32()),
        pa.field("confidence_image", pa.float32()),
        pa.field("confidence_text", pa.float32()),
        pa.field("uncertainty_image", pa.float32()),
        pa.field("uncertainty_text", pa.float32()),
        pa.field("consistency", pa.float32()),
        # Of retrieval: where the best right candidate stands, from 1; of several that tie the last place.
        pa.field("rank", pa.int32()),
        pa.field("direction", _NAME),
    ]
)


def scored(
    score: Scorer,
    sample: str,
    prediction: str | None,
    references: Sequence[str],
    rank: int | None = None,
) -> float:
    """The score of an ok row, of its rank where the score is computed from one.

    Raises ValueError, naming the sample, for one outside [0, 1], since a scorer's fault must not be averaged
    in, and where there is no rank though it takes one.
    """
    if score.of_rank is None:
        value = score.function(prediction or "", references)
    elif rank is None:
        raise ValueError(f"sample {sample}: {score.name} needs a rank, and the record has none")
    else:
        value = score.of_rank(rank)
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"sample {sample}: the scorer gave {value}, outside [0, 1]")
    return value
