"""References as one file: the same gate to the last digit, small, and refused where it is not sound."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gate_made_up import SAMPLES, answers, make_run, worse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmsbench.errors import DmsbenchError, NotComparableError
from dmsbench.gate import GateConfig, Gated, flips, gate_sides
from dmsbench.gate.saved import read, save
from dmsbench.runner.find import Entrant, entrant


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Entrant, Entrant]:
    folder = tmp_path_factory.mktemp("runs")
    before = answers()
    first = make_run(folder / "a", {"old": before})
    second = make_run(folder / "b", {"new": worse(before, [3, 4, 5], 0.3)})
    return entrant(first.path), entrant(second.path)


def same(one: Gated, other: Gated) -> bool:
    """To the last digit, NaN for NaN."""
    left, right = one.result, other.result
    return all(repr(getattr(left, field.name)) == repr(getattr(right, field.name)) for field in fields(left))


@pytest.mark.parametrize("with_predictions", [False, True])
def test_a_saved_reference_gates_as_its_run_does(
    sides: tuple[Entrant, Entrant], tmp_path: Path, with_predictions: bool
) -> None:
    config = GateConfig.model_validate({"score": {"vqa_v2_official": {"tolerance": 0.01}}})
    done = save(
        sides[0], tmp_path / "r.parquet", scores=["vqa_v2_official"], with_predictions=with_predictions
    )
    whole = gate_sides(*sides, config=config)
    assert not whole.result.passed
    assert same(whole, gate_sides(done.reference, sides[1], config=config))
    candidate = save(sides[1], tmp_path / "c.parquet", with_predictions=True).reference
    assert same(whole, gate_sides(read(tmp_path / "r.parquet"), candidate, config=config))
    assert same(gate_sides(sides[1], sides[0]), gate_sides(candidate, done.reference))


def test_scores_are_kept_exactly(tmp_path: Path) -> None:
    run = make_run(tmp_path, {"a": answers()})
    model = entrant(run.path)
    part = model.manifest["models"]["a"]["parts"][0]["key"]
    table = run.read_part("a", part)
    odd = np.random.default_rng(0).random(table.num_rows).astype(np.float32)
    columns = {name: table[name] for name in table.column_names} | {"score": pa.array(odd)}
    run.write_part(
        "a",
        part,
        {name: pa.array(c.to_pylist(), table.schema.field(name).type) for name, c in columns.items()},
    )
    kept = save(model, tmp_path / "r.parquet").reference.records()
    assert sorted(kept["score"].to_numpy().tobytes()) == sorted(odd.tobytes())
    assert sorted(kept["score"]) == sorted(odd)


def test_a_file_of_a_default_run_s_size_is_small(tmp_path: Path) -> None:
    """115,200 records are what vqa-corrupt has of a model: of coins, which nothing compresses."""
    table = np.random.default_rng(1).random((115_200 // 7, 7)) < 0.5
    run = make_run(tmp_path, {"a": table})
    done = save(entrant(run.path), tmp_path / "r.parquet")
    assert done.records == table.size
    assert done.bytes == (tmp_path / "r.parquet").stat().st_size < 600_000


def test_flips_need_predictions_and_say_so(sides: tuple[Entrant, Entrant], tmp_path: Path) -> None:
    whole = flips(gate_sides(*sides))
    assert whole.note is None
    assert whole.gained == 0
    assert {flip.before for flip in whole.lost} == {"red"}
    assert {flip.after for flip in whole.lost} == {"blue"}
    bare = flips(gate_sides(save(sides[0], tmp_path / "bare.parquet").reference, sides[1]))
    assert [flip.sample for flip in bare.lost] == [flip.sample for flip in whole.lost]
    assert {(flip.before, flip.after, flip.question) for flip in bare.lost} == {
        (None, "blue", "what colour is it?")
    }
    assert bare.note is not None
    assert "--with-predictions" in bare.note
    full = save(sides[0], tmp_path / "full.parquet", with_predictions=True).reference
    assert flips(gate_sides(full, sides[1])) == whole


def test_flips_come_worst_condition_first(sides: tuple[Entrant, Entrant]) -> None:
    gated = gate_sides(*sides)
    found = flips(gated)
    order = list(dict.fromkeys(flip.condition for flip in found.lost))
    changes = {count.condition: count for count in gated.result.flips}
    assert order == sorted(order, key=lambda one: changes[one].change)
    assert len(found.lost) == sum(count.lost for count in gated.result.flips)
    assert sum(count.gained for count in gated.result.flips) == 0
    for condition in order:
        ids = [flip.sample for flip in found.lost if flip.condition == condition]
        assert ids == sorted(ids)
        assert len(ids) == changes[condition].lost


def test_another_score_needs_predictions_or_the_score(sides: tuple[Entrant, Entrant], tmp_path: Path) -> None:
    bare = save(sides[0], tmp_path / "bare.parquet").reference
    config = GateConfig.model_validate({"score": {"vqa_v2_official": {}}})
    with pytest.raises(DmsbenchError, match="save it again with --score vqa_v2_official"):
        gate_sides(bare, sides[1], config=config)
    with pytest.raises(DmsbenchError, match="unknown score"):
        save(sides[0], tmp_path / "x.parquet", scores=["chrf"])


def test_other_runs_are_refused_as_ever(sides: tuple[Entrant, Entrant], tmp_path: Path) -> None:
    saved = save(sides[0], tmp_path / "r.parquet").reference
    other = entrant(make_run(tmp_path / "o", {"new": answers()}, seed=1).path)
    with pytest.raises(NotComparableError, match=r"differ in seed \(0 and 1\)"):
        gate_sides(saved, other)


def test_the_file_says_what_the_model_was(sides: tuple[Entrant, Entrant], tmp_path: Path) -> None:
    to = tmp_path / "references"
    to.mkdir()
    done = save(sides[0], to)
    assert done.reference.path == to / "made-up-old.parquet"
    beside = json.loads((to / "made-up-old.json").read_text())
    assert beside["entry"]["spec"] == "old-spec"
    assert beside["entry"]["settings"] == {"family": "made-up"}
    assert "parts" not in beside["entry"]
    assert beside["saved"]["records"] == SAMPLES * 7
    assert done.reference.manifest["identity"] == sides[0].manifest["identity"]
    with pytest.raises(DmsbenchError, match=r"x\.parquet: cannot be written"):
        save(sides[0], to / "made-up-old.json" / "x.parquet")
    with pytest.raises(DmsbenchError, match="give a file named"):
        save(sides[0], tmp_path / "r.csv")


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    table = pq.read_table(path)
    document = json.loads(table.schema.metadata[b"dmsbench.reference"])
    change(document)
    inside = json.dumps(document).encode()
    whole = hashlib.blake2b(inside, digest_size=8).hexdigest()
    metadata = {b"dmsbench.reference": inside, b"dmsbench.reference.sum": whole}
    pq.write_table(table.replace_schema_metadata(metadata), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=99), "not a reference of this version"),
        (lambda d: d.pop("run"), "not a reference of this version"),
        (lambda d: d["run"]["identity"].pop("suite"), "not a reference of this version"),
        (lambda d: d["run"].update(identity=[]), "not a reference of this version"),
        (lambda d: d["saved"].update(scores=[3]), "not a reference of this version"),
        (lambda d: d.update(model="../x"), "cannot name a model"),
        (lambda d: d.update(model=7), "cannot name a model"),
        (lambda d: d["saved"].update(predictions=True), "the column question is not what it was"),
        (lambda d: d["saved"].update(scores=["chrf"]), "the column score:chrf is not"),
        (lambda d: d["saved"].update(records=3), "not those that it says"),
    ],
)
def test_what_the_file_says_of_itself_is_checked(
    sides: tuple[Entrant, Entrant], tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    path = save(sides[0], tmp_path / "r.parquet").reference.path
    rewritten(path, change)
    with pytest.raises(DmsbenchError, match=message) as raised:
        read(path).records()
    assert str(path) in str(raised.value)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_one_line(
    sides: tuple[Entrant, Entrant], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.parquet"
    content = bytearray(save(sides[0], path).reference.path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        gate_sides(read(path), sides[1])
    except DmsbenchError as error:
        assert "\n" not in str(error)


def test_what_is_no_reference_is_said(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(DmsbenchError, match="no saved reference; make one by dmsbench reference save"):
        read(tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("text")
    with pytest.raises(DmsbenchError, match="no saved reference"):
        read(tmp_path / "text.parquet")
    with pytest.raises(DmsbenchError, match="cannot be read"):
        read(tmp_path / "none.parquet")
    with pytest.raises(DmsbenchError, match="is a folder"):
        read(tmp_path)
