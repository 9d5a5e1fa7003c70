"""Reading and checking records."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dmsbench.scores import ScoreTable
from dmsbench.scores.rows import read_rows


def test_sums_counts_and_order(golden: pd.DataFrame) -> None:
    table = ScoreTable.from_records(golden.sample(frac=1.0, random_state=3))
    assert table.groups == ("i1", "i2", "i3")
    assert [str(c) for c in table.conditions] == ["clean", "ocr@2", "fog@1", "fog@3"]
    np.testing.assert_array_equal(table.sums, [[2, 2, 1, 0], [1, 0, 1, 1], [0, 0, 0, 0]])
    np.testing.assert_array_equal(table.counts, [[2] * 4, [1] * 4, [1] * 4])
    np.testing.assert_array_equal(table.means(), [0.75, 0.5, 0.5, 0.25])
    assert table.n_samples == 4
    np.testing.assert_array_equal(table.n_unchanged, [4, 0, 0, 0])


@pytest.mark.parametrize("status", ["model_error", "corruption_error", "parse_error", "data_error"])
def test_errors_are_in_no_sum(golden: pd.DataFrame, status: str) -> None:
    fog3 = golden["image_severity"] == 3
    golden.loc[fog3 & (golden["sample_id"] == "q2"), ["status", "score"]] = [status, 0.9]  # 0.9 is ignored
    table = ScoreTable.from_records(golden)
    np.testing.assert_array_equal(table.n_errors, [0, 0, 0, 1])
    np.testing.assert_array_equal(table.counts[:, 3], [2, 0, 1])
    np.testing.assert_array_equal(table.sums[:, 3], [0, 0, 0])
    np.testing.assert_array_equal(table.n_rows, [4, 4, 4, 4])


def test_unchanged_counts_ok_rows_only(golden: pd.DataFrame) -> None:
    fog1 = golden["image_severity"] == 1
    golden.loc[fog1 & golden["sample_id"].isin(["q0", "q1"]), "changed"] = False
    golden.loc[fog1 & (golden["sample_id"] == "q1"), "status"] = "parse_error"
    np.testing.assert_array_equal(ScoreTable.from_records(golden).n_unchanged, [4, 0, 1, 0])


def test_category_columns_read_the_same(golden: pd.DataFrame) -> None:
    columns = ["sample_id", "group", "image_corruption", "text_corruption", "status"]
    odd = golden.assign(**{c: golden[c].astype("category").cat.add_categories(["!unused"]) for c in columns})
    odd = odd.assign(
        image_severity=odd["image_severity"].astype("int8"), changed=odd["changed"].astype("boolean")
    )
    plain, read = read_rows(golden), read_rows(odd)
    assert (plain.samples, plain.sample_groups, plain.conditions) == (
        read.samples,
        read.sample_groups,
        read.conditions,
    )
    np.testing.assert_array_equal(plain.cell, read.cell)
    np.testing.assert_array_equal(plain.score, read.score)
    np.testing.assert_array_equal(plain.changed, read.changed)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("score", 1.2, r"'q3' under ocr@2 .* score 1\.2"),
        ("score", -0.1, r"'q3' under ocr@2 .* score -0\.1"),
        ("score", np.nan, r"'q3' under ocr@2 .* score nan"),
        ("score", np.inf, r"'q3' under ocr@2 .* score inf"),
        ("status", "fine", "unknown status 'fine'"),
        ("text_severity", 0, "'q3'"),
        ("text_severity", -1, r"'q3' has the text_severity -1\.0"),
        ("text_severity", 1.5, "'q3'"),
        ("group", "i9", "'q3' is in two groups"),
        ("changed", None, "'q3' under ocr@2 .* 'changed' is empty"),
        ("sample_id", None, "sample_id is empty in row 15"),
        ("score", "high", "score does not hold numbers"),
    ],
)
def test_invalid_rows_are_named(golden: pd.DataFrame, column: str, value: Any, message: str) -> None:
    golden[column] = golden[column].astype(object)
    golden.loc[15, column] = value
    with pytest.raises(ValueError, match=message) as caught:
        ScoreTable.from_records(golden)
    assert "\n" not in str(caught.value)


def test_duplicates_missing_columns_and_empty_frames(golden: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="'q1' under fog@3 has more than one record"):
        ScoreTable.from_records(pd.concat([golden, golden.iloc[[6]]]))
    with pytest.raises(ValueError, match=r"lack the column\(s\) group, changed"):
        ScoreTable.from_records(golden.drop(columns=["group", "changed"]))
    with pytest.raises(ValueError, match="no records"):
        ScoreTable.from_records(golden.iloc[:0])
    with pytest.raises(ValueError, match="one model, not 2"):
        ScoreTable.from_records(golden.assign(model=["a", "b"] * 8))


def test_the_frame_is_not_changed(golden: pd.DataFrame) -> None:
    golden.loc[0, "status"] = "model_error"
    before = golden.copy(deep=True)
    ScoreTable.from_records(golden)
    pd.testing.assert_frame_equal(golden, before)


def test_restriction_to_conditions(golden: pd.DataFrame) -> None:
    rows = read_rows(golden)
    part = rows.restricted_to(rows.conditions[1:3])
    expected = read_rows(golden[(golden["text_severity"] == 2) | (golden["image_severity"] == 1)])
    assert part.conditions == expected.conditions
    assert part.samples == expected.samples
    np.testing.assert_array_equal(part.cell, expected.cell)
    np.testing.assert_array_equal(part.score, expected.score)


def test_import_is_light() -> None:
    code = "import sys, dmsbench.scores, dmsbench.gate; print(sorted({'torch', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
