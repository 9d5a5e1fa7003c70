"""Exports show what a run shows, and answers that come back are scored as a run's are."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from dmsbench.cli.main import app
from dmsbench.errors import DataError, DmsbenchError, NotComparableError
from dmsbench.exchange.export import export
from dmsbench.exchange.imports import NO_ANSWER, import_logs
from dmsbench.exchange.logs import read_log
from dmsbench.exchange.writers import FORMATS, Destination, Row
from dmsbench.runner.job import Job, prepare
from dmsbench.runner.run import execute, load_arms
from dmsbench.runner.store import RunFolder
from dmsbench.runner.views import pixels_hash
from dmsbench.suite import load_suite

ROW = ["sample_id", "image_corruption", "image_severity", "text_corruption", "text_severity"]


def job_in(out: Path) -> Job:
    return prepare(load_suite("smoke").changed(limit=16, models=["baseline"]), out)


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of each format and, in ``results``, a run of the same."""
    folder = tmp_path_factory.mktemp("exports")
    job = job_in(folder / "results")
    for format_ in FORMATS:
        export(job, folder / format_, format_)
    execute(job, *load_arms(job, device="cpu"), batch_size=64)
    return folder


def said(exports: Path) -> pd.DataFrame:
    """The run's records by row."""
    found: pd.DataFrame = job_in(exports / "results").folder.records("baseline")
    return found.astype({name: str for name in ROW if "severity" not in name}).set_index(ROW)


def samples(exports: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (exports / "jsonl" / "samples.jsonl").read_text().splitlines()]


def predictions(exports: Path) -> dict[int, str]:
    """What the run's model answered to the rows of an export."""
    known = said(exports)["prediction"]
    return {row["index"]: str(known[tuple(row[name] for name in ROW)]) for row in samples(exports)}


def test_rows_show_what_the_run_shows(exports: Path) -> None:
    known, rows = said(exports), samples(exports)
    assert len(rows) == (known["status"] == "ok").sum() > 200
    assert [row["index"] for row in rows] == list(range(len(rows)))
    absent = 0
    for row in rows:
        record = known.loc[tuple(row[name] for name in ROW)]
        assert (row["question"], row["answers"]) == (record["question"], list(record["references"]))
        if row["image"] is None:
            absent += 1
            assert record["image_hash"] == "absent"
            continue
        pixels = np.array(Image.open(exports / "jsonl" / row["image"]))
        assert pixels_hash(pixels) == record["image_hash"] == Path(row["image"]).stem
    assert 0 < absent < len(rows)


def test_each_picture_is_there_once(exports: Path) -> None:
    rows = samples(exports)
    files = sorted(path.name for path in (exports / "jsonl" / "images").iterdir())
    assert files == sorted({Path(row["image"]).name for row in rows if row["image"]})
    assert len(files) < len(rows) / 5


def test_parquet_holds_the_same(exports: Path) -> None:
    rows = pq.read_table(exports / "parquet" / "samples.parquet").to_pylist()
    for row, line in zip(rows, samples(exports), strict=True):
        assert row == line | {"image": line["image"] and Path(line["image"]).stem}
    for entry in pq.read_table(exports / "parquet" / "images.parquet").to_pylist():
        assert pixels_hash(np.array(Image.open(io.BytesIO(entry["png"])))) == entry["name"]


def test_the_functions_of_lmms_eval_show_prompt_and_pixels(exports: Path) -> None:
    """As lmms-eval calls them: its own loading of the task is tried by hand, for it needs torchvision."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))  # type: ignore[arg-type]
    folder = exports / "lmms-eval"
    task = yaml.load((folder / "dmsbench_smoke.yaml").read_text(), Loader)  # noqa: S506
    spec = importlib.util.spec_from_file_location("utils", folder / "utils.py")
    assert spec is not None and spec.loader is not None
    utils = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(utils)
    lines = Path(task["dataset_kwargs"]["data_files"]["test"]).read_text().splitlines()
    apart = yaml.load((folder / "dmsbench_smoke_no_picture.yaml").read_text(), Loader)  # noqa: S506
    others = Path(apart["dataset_kwargs"]["data_files"]["test"]).read_text().splitlines()
    assert apart == task | {"task": apart["task"], "dataset_kwargs": apart["dataset_kwargs"]}
    rows, absent = [*map(json.loads, lines)], [*map(json.loads, others)]
    assert all(row["image"] for row in rows) and not any(row["image"] for row in absent)
    # No nulls: a column of nothing else could not be read together with texts.
    assert {type(value) for row in rows + absent for value in row.values()} == {int, str, list}
    known = [row | {"image": row["image"] or "", "context": row["context"] or ""} for row in samples(exports)]
    assert sorted(rows + absent, key=lambda row: row["index"]) == known
    for row in rows + absent:
        call: Callable[[str], Any] = lambda key: getattr(utils, task[key].removeprefix("utils."))  # noqa: E731
        pictures = call("doc_to_visual")(row)
        assert [pixels_hash(np.array(picture)) for picture in pictures] == (
            [Path(row["image"]).stem] if row["image"] else []
        )
        assert call("doc_to_text")(row) == row["prompt"]
        # The number of the row goes into the log: that of lmms-eval's own counts within a task.
        told = call("process_results")(row, [row["answers"][0] + "."])
        assert told == {"exact_match": 1.0, "index": row["index"]}


def test_the_table_of_vlmevalkit_names_pictures_and_lacks_rows_without(exports: Path) -> None:
    with (exports / "vlmevalkit-tsv" / "dmsbench_smoke.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    by_index = {row["index"]: row for row in samples(exports)}
    assert {int(row["index"]) for row in rows} == {n for n, row in by_index.items() if row["image"]}
    for row in rows:
        line = by_index[int(row["index"])]
        assert row["question"] == line["prompt"]
        assert Path(row["image_path"]).is_absolute() and Path(row["image_path"]).is_file()
        assert Path(row["image_path"]).stem == Path(line["image"]).stem


def test_a_task_of_captions_asks_for_answers_as_long_as_a_run_does(tmp_path: Path) -> None:
    job = prepare(load_suite("caption-corrupt").changed(limit=2, only=["clean"]), tmp_path / "results")
    export(job, tmp_path / "task", "lmms-eval")
    assert "max_new_tokens: 64" in (tmp_path / "task" / "dmsbench_caption_corrupt.yaml").read_text()
    assert not (tmp_path / "task" / "no_picture.jsonl").exists()


@pytest.mark.parametrize(
    "prompt",
    [
        *("a\rb", "a\nb\tc", 'say "no"', "'", '"', " led", "什么 é 🦊", "007", "1e5", "[1]", "a" * 200_000),
        *("", "NA", "None", "null", "nan", "N/A"),
    ],
)
def test_the_table_of_vlmevalkit_is_read_there_as_it_was_written(tmp_path: Path, prompt: str) -> None:
    """It reads by ``pandas.read_csv`` as it is; what that takes for nothing must not be asked as "nan"."""
    row = Row(4, "s", "g", "clean", 0, "clean", 0, "hash", prompt, prompt, None, ("a", "b"))
    with FORMATS["vlmevalkit-tsv"](tmp_path / "kit", Destination("mine", tmp_path / "kit", 16)) as writer:
        lost = writer.rows([replace(row, index=3, prompt="what?"), row])
    found = pd.read_csv(tmp_path / "kit" / "dmsbench_mine.tsv", sep="\t")
    assert found["index"].tolist() == [3, 4][: 2 - lost]
    assert found["question"].tolist() == ["what?", prompt][: 2 - lost]
    assert found["image_path"][0] == str(tmp_path / "kit" / "images" / "hash.png")
    assert lost == (prompt in {"", "NA", "None", "null", "nan", "N/A"})


def write_log(kind: str, folder: Path, answers: dict[int, str]) -> Path:
    """Answers as some harness writes them."""
    path = folder / f"log{'.jsonl' if kind.startswith('j') else '.' + kind}"
    if kind == "jlmms":
        # One answer comes as a text, several filters as lists within lists.
        lines = [
            {"doc_id": n, "target": "x", "filtered_resps": text if n % 2 else [[text]], "exact_match": 0.0}
            for n, text in answers.items()
        ]
    else:
        lines = [{"index": n, "prediction": text, "confidence": 0.5} for n, text in answers.items()]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    elif kind == "xlsx":
        openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
        book = openpyxl.Workbook()
        book.active.append(["index", "question", "prediction"])
        for n, text in answers.items():
            book.active.append([n, "?", text])
        book.save(path)
    else:
        with path.open("w", newline="") as file:
            table = csv.writer(file, delimiter="\t" if kind == "tsv" else ",")
            table.writerow(["index", "question", "prediction"])
            table.writerows([n, "?", text] for n, text in answers.items())
    return path


@pytest.mark.parametrize(
    ("kind", "format_"),
    [("json", "jsonl"), ("json", "parquet"), ("jlmms", "lmms-eval"), ("tsv", "jsonl"), ("xlsx", "jsonl")],
)
def test_answers_that_come_back_are_scored_as_the_runs_are(
    exports: Path, tmp_path: Path, kind: str, format_: str
) -> None:
    log = write_log(kind, tmp_path, predictions(exports))
    done = import_logs(exports / format_, [log], f"back-{kind}-{format_}", exports / "results")
    known, back = said(exports), done.folder.records(done.model)
    back = back.astype({name: str for name in ROW if "severity" not in name}).set_index(ROW)
    assert list(back.index) == list(known.index)
    assert (done.rows, done.missing) == (len(known), 0)
    for column in (
        "status",
        "prediction",
        "score",
        "changed",
        "image_hash",
        "text_hash",
        "question",
        "error",
    ):
        assert back[column].astype(object).where(back[column].notna(), None).tolist() == (
            known[column].astype(object).where(known[column].notna(), None).tolist()
        ), column
    assert back["confidence"].dropna().unique().tolist() == ([0.5] if kind == "json" else [])


def test_rows_that_a_format_cannot_hold_are_errors_and_no_scores(exports: Path, tmp_path: Path) -> None:
    kit = exports / "vlmevalkit-tsv"
    answers = {n: text for n, text in predictions(exports).items() if samples(exports)[n]["image"]}
    log = write_log("tsv", tmp_path, answers)
    with pytest.raises(DataError, match=r"no answer to \d+ of .*--allow-missing"):
        import_logs(kit, [log], "kit", tmp_path / "out")
    done = import_logs(kit, [log], "kit", tmp_path / "out", allow_missing=True)
    assert done.missing == len(samples(exports)) - len(answers) > 0
    table = done.folder.records("kit")
    lacking = table[table["status"] == "model_error"]
    assert len(lacking) == done.missing
    assert lacking["score"].isna().all() and set(lacking["error"]) == {NO_ANSWER}
    assert done.folder.manifest()["models"]["kit"]["errors"] == done.missing


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.jsonl", '{"index": 0, "prediction": "x"}\n{"index": 0, "prediction": "x"}\n', "answered twice"),
        ("a.jsonl", '{"index": 999999, "prediction": "x"}\n', "row 999999 is none of"),
        ("a.jsonl", '{"index": -1, "prediction": "x"}\n', "row -1 is none of"),
        ("a.jsonl", '{"index": true, "prediction": "x"}\n', "line 1: no row number"),
        ("a.jsonl", '\n{"prediction": "x"}\n', "line 2: no row number"),
        ("a.jsonl", '{"index": 0}\n', "line 1: no prediction"),
        ("a.jsonl", '{"index": 0, "prediction": true}\n', "the prediction is no text"),
        ("a.jsonl", '{"index": 0.5, "prediction": "x"}\n', "line 1: no row number"),
        ("a.json", '{"index": 0, "prediction": "x"}', "expected a list"),
        ("a.json", '[{"index": 0, "prediction": "x"}, {"index": "b", "prediction": "x"}]', "entry 2: no row"),
        ("a.json", "[", "not JSON"),
        ("a.csv", "index,prediction\n0,x\n1\n", "line 3: the row is cut short"),
        ("a.tsv", "index\tprediction\nnan\tx\n", "line 2: no row number"),
        ("a.jsonl", '{"index": 0, "prediction": "x", "confidence": 2}\n', "no number from 0 to 1"),
        ("a.jsonl", "{\n", "line 1: not JSON"),
        ("a.jsonl", "[]\n", "expected an object"),
        ("a.tsv", "index\tanswer\n0\tx\n", "no column prediction; it has index, answer"),
        ("a.csv", "", "no column index"),
        ("a.txt", "", "ends in .jsonl"),
        ("missing.jsonl", None, "No such file"),
    ],
)
def test_a_log_that_does_not_fit_is_told_by_file_and_line(
    exports: Path, tmp_path: Path, name: str, text: str | None, reason: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=reason) as told:
        import_logs(exports / "jsonl", [tmp_path / name], "m", tmp_path / "out", allow_missing=True)
    assert name in str(told.value)
    assert not (tmp_path / "out").exists()


def test_a_name_that_the_run_holds_is_not_overwritten_by_chance(exports: Path, tmp_path: Path) -> None:
    log = write_log("json", tmp_path, predictions(exports))
    with pytest.raises(DmsbenchError, match="holds a model 'baseline' already"):
        import_logs(exports / "jsonl", [log], "baseline", exports / "results")
    import_logs(exports / "jsonl", [log], "mine", tmp_path / "out")
    import_logs(exports / "jsonl", [log], "mine", tmp_path / "out", fresh=True)


def test_an_export_of_what_has_changed_since_is_refused(exports: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(exports / "jsonl", tmp_path / "old")
    about = json.loads((tmp_path / "old" / "export.json").read_text())
    about["suite"]["seed"] += 1
    (tmp_path / "old" / "export.json").write_text(json.dumps(about))
    log = write_log("json", tmp_path, predictions(exports))
    with pytest.raises(NotComparableError, match="other data, or by other corruptions"):
        import_logs(tmp_path / "old", [log], "m", tmp_path / "out")
    (tmp_path / "old" / "export.json").write_text("{}")
    with pytest.raises(DataError, match="not of this version"):
        import_logs(tmp_path / "old", [log], "m", tmp_path / "out")
    with pytest.raises(DataError, match="no export here"):
        import_logs(tmp_path, [log], "m", tmp_path / "out")


def test_a_damaged_grid_is_told(exports: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(exports / "jsonl", tmp_path / "old")
    grid = tmp_path / "old" / "grid.parquet"
    grid.write_bytes(grid.read_bytes()[:-20])
    log = write_log("json", tmp_path, predictions(exports))
    with pytest.raises(DataError, match=r"grid\.parquet: cannot be read"):
        import_logs(tmp_path / "old", [log], "m", tmp_path / "out")


def test_an_export_never_overwrites_and_leaves_nothing_half_done(exports: Path, tmp_path: Path) -> None:
    job = job_in(tmp_path / "results")
    with pytest.raises(DmsbenchError, match="is there already"):
        export(job, exports / "jsonl", "jsonl")

    def stop(_rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(job, tmp_path / "new", "jsonl", stop)
    assert sorted(tmp_path.iterdir()) == []
    retrieval = prepare(load_suite("retrieval-corrupt").changed(limit=4), tmp_path / "results")
    with pytest.raises(DmsbenchError, match="is of retrieval"):
        export(retrieval, tmp_path / "new", "jsonl")


@pytest.mark.parametrize("ending", ["tsv", "csv", "xlsx", "json", "jsonl"])
def test_what_looks_like_no_value_is_an_answer(tmp_path: Path, ending: str) -> None:
    """As pandas writes tables, whose row numbers are floats where a column once had a gap."""
    texts = ["None", "NA", "nan", "", "007", "7", "7.0", "=1+1", "a\tb\nc", "什么", 'say "no"', "TRUE"]
    table = pd.DataFrame({"index": [float(n) for n in range(len(texts))], "prediction": texts})
    path = tmp_path / f"log.{ending}"
    if ending == "xlsx":
        pytest.importorskip("openpyxl", reason="openpyxl is not installed")
        import openpyxl

        book = openpyxl.Workbook()
        book.active.append(["index", "prediction"])
        for number, text in enumerate(texts):
            book.active.append([float(number), None])
            cell = book.active.cell(number + 2, 2)
            cell.value, cell.data_type = text, "s"
        book.active.append([None, None])
        book.save(path)
    elif ending.startswith("json"):
        path.write_text(table.to_json(orient="records", lines=ending == "jsonl"))
    else:
        table.to_csv(path, sep="\t" if ending == "tsv" else ",", index=False)
    found = list(read_log(path))
    assert [answer.index for answer in found] == list(range(len(texts)))
    assert [answer.prediction for answer in found] == texts


def test_numbers_are_answers_and_what_is_missing_is_none(tmp_path: Path) -> None:
    said = ["7", "7.0", "7.5", "NaN", "null", '"Failed to obtain answer via API."']
    entries = [f'{{"index": "{n}", "prediction": {text}}}' for n, text in enumerate(said)]
    (tmp_path / "a.json").write_text(f"[{','.join(entries)}]")
    (tmp_path / "a.jsonl").write_text("\n".join(entries))
    for name in ("a.json", "a.jsonl"):
        predictions = [answer.prediction for answer in read_log(tmp_path / name)]
        assert predictions == ["7", "7", "7.5", None, None, None]


def test_a_number_in_a_cell_is_an_answer(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    book = openpyxl.Workbook()
    for row in (["index", "prediction"], [0, 7], [1, 7.0], [2, 7.5], [3, True], [4, None]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    predictions = [answer.prediction for answer in read_log(tmp_path / "a.xlsx")]
    assert predictions == ["7", "7", "7.5", "True", ""]
    (tmp_path / "b.xlsx").write_bytes((tmp_path / "a.xlsx").read_bytes()[:-400])
    with pytest.raises(DataError, match=r"b\.xlsx: no workbook"):
        list(read_log(tmp_path / "b.xlsx"))


def test_rows_that_a_log_says_failed_are_no_answers(exports: Path, tmp_path: Path) -> None:
    answers = predictions(exports) | {3: "Failed to obtain answer via API."}
    log = write_log("tsv", tmp_path, answers)
    with pytest.raises(DataError, match=r"no answer to 1 of .*first to row 3"):
        import_logs(exports / "jsonl", [log], "m", tmp_path / "out")
    assert import_logs(exports / "jsonl", [log], "m", tmp_path / "out", allow_missing=True).missing == 1


def test_the_log_of_another_export_is_refused(exports: Path, tmp_path: Path) -> None:
    """The numbers fit, and mean other rows: lmms-eval's logs say what was asked."""
    rows = [
        {"doc_id": n, "filtered_resps": "x", "input": f"<image>\n {row['prompt']} "}
        for n, row in enumerate(samples(exports))
    ]
    log = tmp_path / "a.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    import_logs(exports / "jsonl", [log], "same", tmp_path / "out")
    rows[5]["input"] = "what else?"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=r"row 5: the log asked 'what else\?', the export .*another export"):
        import_logs(exports / "jsonl", [log], "other", tmp_path / "out")
    assert (
        "other"
        not in import_logs(
            exports / "jsonl", [log_of(tmp_path, exports)], "third", tmp_path / "out"
        ).folder.manifest()["models"]
    )


def log_of(folder: Path, exports: Path) -> Path:
    return write_log("json", folder, predictions(exports))


def test_an_import_that_was_broken_off_is_begun_anew(
    exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, write = log_of(tmp_path, exports), RunFolder.write_part

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "write_part", cut)
    with pytest.raises(KeyboardInterrupt):
        import_logs(exports / "jsonl", [log], "m", tmp_path / "out")
    monkeypatch.setattr(RunFolder, "write_part", write)
    done = import_logs(exports / "jsonl", [log], "m", tmp_path / "out")
    assert len(done.folder.records("m")) == done.rows


def test_half_a_surrogate_pair_is_kept_as_a_text(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"index": 0, "prediction": "a\\ud800"}\n')
    (answer,) = read_log(tmp_path / "a.jsonl")
    assert answer.prediction == "a?"


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_from_export_to_comparison_on_the_command_line(_here: Path) -> None:
    def call(*words: str) -> str:
        ended = CliRunner().invoke(app, words)
        assert ended.exit_code == 0, (words, ended.output, ended.exception)
        return ended.stdout

    small = ("--suite", "smoke", "--limit", "8")
    call("export", *small, "--to", "out/task", "--format", "lmms-eval", "--quiet")
    call("run", *small, "--model", "baseline", "--quiet")
    rows = [
        json.loads(line)
        for name in ("samples.jsonl", "no_picture.jsonl")
        for line in (_here / "out/task" / name).read_text().splitlines()
    ]
    (folder,) = (_here / "results" / "smoke").iterdir()
    known = RunFolder(folder).records("baseline").astype({n: str for n in ROW if "severity" not in n})
    known = known.set_index(ROW)["prediction"]
    log = write_log("jlmms", _here, {r["index"]: str(known[tuple(r[n] for n in ROW)]) for r in rows})
    call("import", str(log), "--export", "out/task", "--name", "other", "--quiet")
    found = json.loads(call("compare", "baseline", "other", "--format", "json"))
    assert found["overall"]["difference"] == 0
    assert {entry["difference"] for entry in found["by_corruption"]} == {0}
    ended = subprocess.run(
        [sys.executable, "-m", "dmsbench", "export", *small, "--to", "out/task"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, "is there already" in ended.stderr) == (2, True), ended.stderr
