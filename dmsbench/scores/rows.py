"""Records as validated arrays: the one place where a data frame is read and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress

import numpy as np
import numpy.typing as npt
import pandas as pd

from dmsbench.grid import Condition, View

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

OK = "ok"
LEFT_OUT = "left_out"
"""Not asked, because the corruption would have made the sample's own answer wrong: no error, no score."""
ERROR_STATUSES = ("corruption_error", "data_error", "model_error", "parse_error")
COLUMNS = (
    "sample_id",
    "group",
    "image_corruption",
    "image_severity",
    "text_corruption",
    "text_severity",
    "score",
    "status",
    "changed",
)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """One model's records, ordered by (sample, condition), whatever the order they came in.

    N rows, S samples, C conditions. ``score`` is NaN wherever ``ok`` is false, whatever the frame held
    there: an error can never be scored. ``changed`` is false there too.
    """

    samples: tuple[str, ...]
    """The S sample ids, sorted."""
    sample_groups: tuple[str, ...]
    """The group of each of the S samples."""
    conditions: tuple[Condition, ...]
    """The C conditions, sorted."""
    sample: IntArray
    """(N,), positions in ``samples``."""
    condition: IntArray
    """(N,), positions in ``conditions``."""
    score: FloatArray
    """(N,), in [0, 1], NaN where not ``ok``."""
    ok: BoolArray
    """(N,)."""
    left_out: BoolArray
    """(N,). A row that is neither this nor ok is an error."""
    changed: BoolArray
    """(N,)."""
    measures: Mapping[str, FloatArray] = field(default_factory=dict)
    """By column, (N,) each: further numbers of the rows, NaN where there is none or the row is not ok."""

    @property
    def error(self) -> BoolArray:
        """(N,)."""
        return ~(self.ok | self.left_out)

    @property
    def cell(self) -> IntArray:
        """(N,), strictly increasing: the number of each row's (sample, condition) in the full S x C grid."""
        return self.sample * len(self.conditions) + self.condition

    @property
    def groups(self) -> tuple[str, ...]:
        """The G distinct groups, sorted."""
        return tuple(sorted(set(self.sample_groups)))

    def row_groups(self) -> IntArray:
        """(N,), positions in ``groups``."""
        position = {group: i for i, group in enumerate(self.groups)}
        per_sample = np.array([position[group] for group in self.sample_groups], dtype=np.int64)
        return per_sample[self.sample]

    def of_samples(self, samples: Iterable[str]) -> Rows:
        """The rows of these samples alone; conditions under which none of them was seen stay."""
        wanted = set(samples)
        kept = np.array([sample in wanted for sample in self.samples], dtype=np.bool_)
        mask = kept[self.sample]
        return replace(
            self,
            samples=tuple(compress(self.samples, kept)),
            sample_groups=tuple(compress(self.sample_groups, kept)),
            sample=(np.cumsum(kept) - 1)[self.sample[mask]],
            condition=self.condition[mask],
            score=self.score[mask],
            ok=self.ok[mask],
            left_out=self.left_out[mask],
            changed=self.changed[mask],
            measures={name: values[mask] for name, values in self.measures.items()},
        )

    def restricted_to(self, conditions: Sequence[Condition]) -> Rows:
        """The rows of these conditions alone; samples seen under none of them are gone."""
        wanted = set(conditions)
        kept = [i for i, condition in enumerate(self.conditions) if condition in wanted]
        new_condition = np.full(len(self.conditions), -1, dtype=np.int64)
        new_condition[kept] = np.arange(len(kept))
        mask = new_condition[self.condition] >= 0
        seen, sample = np.unique(self.sample[mask], return_inverse=True)
        return Rows(
            samples=tuple(self.samples[i] for i in seen),
            sample_groups=tuple(self.sample_groups[i] for i in seen),
            conditions=tuple(self.conditions[i] for i in kept),
            sample=sample.astype(np.int64).reshape(-1),
            condition=new_condition[self.condition[mask]],
            score=self.score[mask],
            ok=self.ok[mask],
            left_out=self.left_out[mask],
            changed=self.changed[mask],
            measures={name: values[mask] for name, values in self.measures.items()},
        )


def read_rows(frame: pd.DataFrame, measures: Sequence[str] = ()) -> Rows:
    """Check a frame of one model's records and turn it into arrays. The frame is not changed.

    ``measures`` names numeric columns to take along.

    Raises ValueError, naming the sample where one is to blame, for: a missing column, no rows, several
    models, an empty cell in an id, an unknown status, a severity that is no whole number ≥ 0, a corruption
    named ``clean`` at a severity other than 0 (or the reverse), a sample in two groups, two rows for one
    (sample, condition), a score outside [0, 1] or NaN where the status is ok, ``changed`` unknown there.
    """
    missing = [name for name in (*COLUMNS, *measures) if name not in frame.columns]
    if missing:
        raise ValueError(f"the records lack the column(s) {', '.join(missing)}")
    if frame.empty:
        raise ValueError("no records: the frame is empty")
    if "model" in frame.columns and frame["model"].nunique(dropna=False) > 1:
        raise ValueError(f"one frame holds one model, not {frame['model'].nunique(dropna=False)}")

    sample, samples = _codes(frame, "sample_id")
    condition, conditions = _conditions(frame, sample, samples)
    order = np.argsort(sample * len(conditions) + condition, kind="stable")
    sample, condition = sample[order], condition[order]

    def where(row: int) -> str:
        return f"sample '{samples[sample[row]]}' under {conditions[condition[row]]}"

    twice = (np.diff(sample) == 0) & (np.diff(condition) == 0)
    if twice.any():
        raise ValueError(f"{where(_first(twice))} has more than one record")

    status, statuses = _codes(frame, "status")
    known = (OK, LEFT_OUT, *ERROR_STATUSES)
    unknown = [name for name in statuses if name not in known]
    if unknown:
        raise ValueError(f"unknown status '{unknown[0]}': expected {', '.join(known)}")
    ok, left_out = (
        np.array([name == wanted for name in statuses], dtype=np.bool_)[status[order]]
        for wanted in (OK, LEFT_OUT)
    )

    score = _floats(frame, "score")[order]
    bad = ok & ~((score >= 0.0) & (score <= 1.0))
    if bad.any():
        row = _first(bad)
        raise ValueError(f"{where(row)} has status ok and the score {score[row]}: expected one in [0, 1]")
    score[~ok] = np.nan

    changed = _floats(frame, "changed")[order]
    bad = ok & np.isnan(changed)
    if bad.any():
        raise ValueError(f"{where(_first(bad))} has status ok, but 'changed' is empty")

    return Rows(
        samples=samples,
        sample_groups=_sample_groups(frame, sample, samples, order),
        conditions=conditions,
        sample=sample,
        condition=condition,
        score=score,
        ok=ok,
        left_out=left_out,
        changed=ok & (changed > 0.0),
        measures={name: np.where(ok, _floats(frame, name)[order], np.nan) for name in measures},
    )


def _first(mask: BoolArray) -> int:
    return int(np.flatnonzero(mask)[0])


def _codes(frame: pd.DataFrame, column: str) -> tuple[IntArray, tuple[str, ...]]:
    """A text column as (N,) positions in its sorted distinct values."""
    codes, uniques = pd.factorize(frame[column])
    if (codes < 0).any():
        raise ValueError(f"the column {column} is empty in row {_first(codes < 0)}")
    names = [str(name) for name in uniques]
    distinct = sorted(set(names))
    position = {name: i for i, name in enumerate(distinct)}
    remap = np.array([position[name] for name in names], dtype=np.int64)
    return remap[codes], tuple(distinct)


def _floats(frame: pd.DataFrame, column: str) -> FloatArray:
    """A numeric or boolean column as float64, NaN where empty; always a copy."""
    try:
        return np.array(frame[column].to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the column {column} does not hold numbers: {error}") from None


def _severities(frame: pd.DataFrame, column: str) -> IntArray:
    values = _floats(frame, column)
    bad = ~(np.isfinite(values) & (values >= 0) & (values == np.floor(values)))
    if bad.any():
        row = _first(bad)
        sample = frame["sample_id"].iloc[row]
        raise ValueError(f"sample '{sample}' has the {column} {values[row]}: expected a whole number ≥ 0")
    return values.astype(np.int64)


def _conditions(
    frame: pd.DataFrame, sample: IntArray, samples: tuple[str, ...]
) -> tuple[IntArray, tuple[Condition, ...]]:
    """(N,) positions in the sorted distinct conditions."""
    image, images = _codes(frame, "image_corruption")
    text, texts = _codes(frame, "text_corruption")
    image_severity, text_severity = _severities(frame, "image_severity"), _severities(frame, "text_severity")
    image_span, text_span = int(image_severity.max()) + 1, int(text_severity.max()) + 1
    key = ((image * image_span + image_severity) * len(texts) + text) * text_span + text_severity
    _, first, codes = np.unique(key, return_index=True, return_inverse=True)
    found: list[Condition] = []
    for row in first:
        try:
            found.append(
                Condition(
                    View(images[image[row]], int(image_severity[row])),
                    View(texts[text[row]], int(text_severity[row])),
                )
            )
        except ValueError as error:
            raise ValueError(f"sample '{samples[sample[row]]}': {error}") from None
    order = sorted(range(len(found)), key=found.__getitem__)
    position = np.empty(len(found), dtype=np.int64)
    position[order] = np.arange(len(found))
    return position[codes.reshape(-1)], tuple(found[i] for i in order)


def _sample_groups(
    frame: pd.DataFrame, sample: IntArray, samples: tuple[str, ...], order: IntArray
) -> tuple[str, ...]:
    """The group of each sample; ``sample`` is already in the canonical order, the frame is not."""
    codes, groups = _codes(frame, "group")
    codes = codes[order]
    per_sample = np.empty(len(samples), dtype=np.int64)
    per_sample[sample] = codes
    split = per_sample[sample] != codes
    if split.any():
        row = _first(split)
        one, other = groups[codes[row]], groups[per_sample[sample[row]]]
        raise ValueError(f"sample '{samples[sample[row]]}' is in two groups, '{one}' and '{other}'")
    return tuple(groups[i] for i in per_sample)
