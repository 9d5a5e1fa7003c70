"""Runs whose folder is a URL: through fsspec, on a store that only puts, reads and lists."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from put_bucket import Bucket

from dmsbench.cli import main as command_line
from dmsbench.places import Remote, place, split_model
from dmsbench.report import build as building
from dmsbench.report.figures import write as figures
from dmsbench.runner import run as running
from dmsbench.runner.store import RunFolder

pytest.importorskip("upath", reason="needs dmsbench[storage]")

RUN = ("run", "--suite", "smoke", "--limit", "8", "--corruption", "occlusion", "--severity", "3", "-q")
charts = figures._charts
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def dmsbench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls the command line here; its exit code and what it wrote."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dmsbench", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "120")
        code = 0
        try:
            command_line.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run in a folder of this machine, undisturbed."""
    folder = tmp_path_factory.mktemp("local") / "here"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["dmsbench", *RUN, "--out", str(folder)])
        with pytest.raises(SystemExit) as stop:
            command_line.main()
    assert not stop.value.code
    return folder


@pytest.fixture
def finished(bucket: Bucket, local: Path) -> Bucket:
    """A bucket that holds that run."""
    shutil.copytree(local, bucket.root / "bucket" / "results", ignore=shutil.ignore_patterns(".lock"))
    return bucket


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out what takes most of a small run's time."""
    monkeypatch.setattr(building, "draw_curves", lambda *_, **__: [])
    monkeypatch.setattr(building, "write_scheduling", lambda *_: [])
    monkeypatch.setattr(building, "write_page", lambda _, folder: _page(folder))


def _page(folder: Path) -> Path:
    (folder / "report.html").write_text("")
    return folder / "report.html"


def parts(objects: dict[str, bytes]) -> dict[str, bytes]:
    """The parts among some objects or files, by their path within the results folder."""
    return {
        key.removeprefix("bucket/results/"): content for key, content in objects.items() if "/parts/" in key
    }


def files(folder: Path) -> dict[str, bytes]:
    """All files of a folder, by path."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def answers(part: bytes) -> list[dict[str, Any]]:
    """What a part says, without the numbers whose last digits hang on what was asked together."""
    names = ("sample_id", "image_corruption", "text_corruption", "prediction", "score", "status", "error")
    return pq.read_table(pa.BufferReader(part), columns=list(names)).to_pylist()


def run_folder(bucket: Bucket) -> str:
    """The URL of the only run of a bucket."""
    (key,) = [key for key in bucket.objects() if key.endswith("manifest.json")]
    return f"putstore://{key.removesuffix('/manifest.json')}"


def test_a_run_on_storage_is_the_local_run_byte_for_byte(dmsbench: Call, bucket: Bucket, local: Path) -> None:
    assert dmsbench(*RUN, "--out", bucket.url)[0] == 0
    here = files(local)
    there = {key.removeprefix("bucket/results/"): content for key, content in bucket.objects().items()}
    assert parts(there) == parts(here)
    assert len(parts(there)) == 4
    assert set(there) == {key for key in here if not key.endswith(".lock")}
    assert not list(bucket.root.glob(".upload*"))


def test_every_command_reads_a_run_on_storage(dmsbench: Call, finished: Bucket, local: Path) -> None:
    compare, board = ("compare", "baseline", "dms", "--format", "json"), ("leaderboard", "--format", "csv")
    for command in (compare, board):
        code, said, _ = dmsbench(*command, "--out", finished.url)
        assert code == 0
        assert said == dmsbench(*command, "--out", local)[1]
    run = run_folder(finished)
    assert dmsbench("gate", "--reference", f"{run}:baseline", "--candidate", f"{run}:baseline")[0] == 0
    written = "putstore://bucket/board.md"
    assert dmsbench("leaderboard", f"{run}:dms", "--format", "markdown", "--output", written)[0] == 0
    assert b"dms" in finished.objects()["bucket/board.md"]
    assert dmsbench("doctor", "--out", finished.url, "--format", "csv")[1].count(finished.url) == 1
    code, said, _ = dmsbench("rescore", run, "--score", "vqa_v2_official", "--format", "json")
    assert code == 0
    assert json.loads(said)["rescored"]["from"] == run
    assert len([key for key in finished.objects() if key.endswith("manifest.json")]) == 2


def test_a_report_on_storage_is_written_anew_with_its_figures(
    dmsbench: Call, finished: Bucket, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "_charts", lambda found: charts(found)[:1])
    run = run_folder(finished)
    for path in finished.root.rglob("report.html"):
        path.unlink()
    code, said, _ = dmsbench("report", run, "--figures", "--format", "json")
    assert code == 0
    assert json.loads(said)["folder"] == run
    keys = set(finished.objects())
    assert {key.removeprefix("bucket/results/") for key in keys if "/figures/" not in key} == {
        key for key in files(local) if not key.endswith(".lock")
    }
    assert [key for key in keys if "/figures/" in key and key.endswith(".pdf")]


@pytest.mark.usefixtures("no_pictures")
def test_a_killed_run_on_storage_continues_and_lacks_nothing(
    dmsbench: Call, bucket: Bucket, local: Path
) -> None:
    code = "import time, dmsbench.runner.views as v; make = v.corrupted_image\n"
    code += "def slow(*a, **k): time.sleep(0.1); return make(*a, **k)\n"
    code += "v.corrupted_image = slow\nfrom dmsbench.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *RUN, "--out", bucket.url], env=dict(os.environ), start_new_session=True
    )
    until = time.monotonic() + 60
    while not parts(bucket.objects()):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = parts(bucket.objects())
    assert 0 < len(before) < 4
    assert dmsbench("compare", "baseline", "dms", "--out", bucket.url)[0] == 3
    code_, out, _ = dmsbench(*RUN, "--out", bucket.url, "--format", "json")
    assert code_ == 0
    did = json.loads(out)["run"]
    assert sum(one["reused"] for one in did.values()) >= 8 * len(before)
    after, undisturbed = parts(bucket.objects()), parts(files(local))
    assert before.items() <= after.items()
    assert {key: answers(part) for key, part in after.items()} == {
        key: answers(part) for key, part in undisturbed.items()
    }


@pytest.mark.usefixtures("no_pictures")
def test_workers_of_a_cluster_put_the_same_parts(dmsbench: Call, bucket: Bucket, local: Path) -> None:
    pytest.importorskip("ray", reason="needs dmsbench[ray]")
    assert dmsbench(*RUN, "--engine", "ray", "--actors", "2", "--out", bucket.url)[0] == 0
    assert parts(bucket.objects()) == parts(files(local))
    assert dmsbench("compare", "baseline", "dms", "--out", bucket.url, "-q")[0] == 0


def test_workers_do_not_share_the_memory_of_one_process(dmsbench: Call) -> None:
    code, _, said = dmsbench(*RUN, "--engine", "ray", "--out", "memory://results")
    assert code == 2
    assert "memory" in said and said.count("\n") == 1


@pytest.mark.usefixtures("no_pictures")
def test_a_full_store_ends_a_run_in_one_line_and_leaves_only_whole_parts(
    dmsbench: Call, bucket: Bucket
) -> None:
    bucket.fill(20_000)
    code, _, said = dmsbench(*RUN, "--out", bucket.url)
    assert code == 2
    assert said.count("\n") == 1
    assert "cannot be written (QuotaExceeded: the bucket is full)" in said
    folder = RunFolder(place(run_folder(bucket)))
    kept = parts(bucket.objects())
    for key in kept:
        model, name = key.removesuffix(".parquet").split("/")[-2:]
        folder.read_part(model, name)


@pytest.mark.usefixtures("no_pictures")
def test_a_part_that_may_not_be_read_is_no_damaged_part(dmsbench: Call, finished: Bucket) -> None:
    """To compute it again would hide that the storage, not the part, is at fault."""
    bucket = finished
    before = bucket.objects()
    bucket.deny("/parts/dms/")
    for command in (("compare", "baseline", "dms"), ("report",), RUN):
        code, _, said = dmsbench(*command, "--out", bucket.url)
        assert code == 2
        assert said.count("\n") == 1
        assert "/parts/dms/" in said and "cannot be read (AccessDenied)" in said
    assert parts(bucket.objects()) == parts(before)
    bucket.deny("manifest.json")
    code, _, said = dmsbench("gate", "--reference", "baseline", "--candidate", "dms", "--out", bucket.url)
    assert code == 2
    assert "manifest.json: cannot be read (AccessDenied)" in said


def test_a_part_that_was_cut_short_is_told_from_one_that_is_not_there(finished: Bucket) -> None:
    folder = RunFolder(place(run_folder(finished)))
    (victim, other) = sorted(finished.root.rglob("baseline/*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-200])
    said: list[str] = []
    assert folder.sound_part("baseline", victim.stem, said.append) is None
    assert folder.sound_part("baseline", "0" * 24, said.append) is None
    assert folder.has_part("baseline", other.stem)
    assert len(said) == 1
    assert f"{run_folder(finished)}/parts/baseline/{victim.name}: damaged" in said[0]


@pytest.mark.usefixtures("no_pictures")
def test_models_that_another_run_adds_meanwhile_are_kept_and_said(
    dmsbench: Call, finished: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, make = finished, running.engine_of

    def while_another_writes(*given: Any, **named: Any) -> Any:
        # What a run on another machine does between this one's first and last word on the manifest.
        folder = RunFolder(place(run_folder(bucket)))
        manifest = folder.manifest()
        manifest["models"]["other"] = manifest["models"]["dms"] | {"status": "complete"}
        folder.write_manifest(manifest)
        return make(*given, **named)

    monkeypatch.setattr(running, "engine_of", while_another_writes)
    code, _, said = dmsbench(*RUN, "--out", bucket.url, "--model", "baseline")
    assert code == 0
    assert "another run wrote here meanwhile" in said
    models = RunFolder(place(run_folder(bucket))).manifest()["models"]
    assert {name: entry["status"] for name, entry in models.items()} == dict.fromkeys(
        ("dms", "baseline", "other"), "complete"
    )


@pytest.mark.usefixtures("no_pictures")
def test_fresh_drops_the_parts_of_a_model_on_storage(dmsbench: Call, finished: Bucket) -> None:
    bucket = finished
    stale = next(bucket.root.rglob("baseline/*.parquet")).with_name("0" * 24 + ".parquet")
    stale.write_bytes(b"of another version")
    assert dmsbench(*RUN, "--out", bucket.url, "--model", "baseline", "--fresh")[0] == 0
    assert not stale.exists()
    assert len(parts(bucket.objects())) == 4


def test_a_bucket_that_is_not_there_is_not_made(dmsbench: Call, bucket: Bucket) -> None:
    code, _, said = dmsbench(*RUN, "--out", "putstore://bukcet/results")
    assert code == 2
    assert "putstore://bukcet/results" in said and "cannot be written (no such bucket)" in said
    assert not (bucket.root / "bukcet").exists()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3x://bucket/results", "unknown storage protocol 's3x': did you mean 's3'?"),
        ("https+nope://x", "unknown storage protocol"),
        ("simplecache::s3://bucket", "without '::'"),
        ("memory://", "names no bucket or folder"),
    ],
)
def test_a_url_that_nothing_speaks_is_refused_in_a_line(dmsbench: Call, url: str, words: str) -> None:
    for command in (RUN, ("compare", "a", "b"), ("report",), ("leaderboard",), ("doctor",)):
        code, _, said = dmsbench(*command, "--out", url)
        assert code == 2
        assert words in said
        assert said.count("\n") == 1
    assert dmsbench("compare", f"{url}:a", f"{url}:b")[0] == 2


@pytest.mark.parametrize(
    "command",
    [
        ("preview", "--text", "a cat", "--out"),
        ("fit", "baseline", "--suite", "smoke", "--out"),
        ("export", "--suite", "smoke", "--to"),
    ],
)
def test_what_is_written_to_this_machine_only_refuses_a_url(dmsbench: Call, command: tuple[str, ...]) -> None:
    code, _, said = dmsbench(*command, "memory://results")
    assert code == 2
    assert said.count("\n") == 1
    assert "'memory://results'" in said and "on this machine only" in said


@pytest.mark.parametrize(
    ("module", "url", "install"),
    [
        ("upath", "memory://results", "pip install 'dmsbench[storage]'"),
        ("s3fs", "s3://bucket/results", "pip install s3fs"),
    ],
)
def test_a_missing_package_is_named_with_its_installation(
    dmsbench: Call, monkeypatch: pytest.MonkeyPatch, module: str, url: str, install: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    code, _, said = dmsbench(*RUN, "--out", url)
    assert code == 2
    assert said.endswith(f"{install}\n") and said.count("\n") == 1


def test_a_file_url_is_a_local_folder(dmsbench: Call, tmp_path: Path) -> None:
    assert place(f"file://{tmp_path}/x") == tmp_path / "x"
    assert place("results") == Path("results")
    assert dmsbench("leaderboard", "--out", f"file://{tmp_path}")[0] == 2


def test_a_local_run_imports_nothing_of_fsspec(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom dmsbench.runner.store import RunFolder\n"
        "from dmsbench.places import place\nf = RunFolder(place(sys.argv[1]))\n"
        "with f.locked(): f.sweep(['m']); f.write_manifest({})\n"
        "print([m for m in ('fsspec', 'upath') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "r")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_place_shows_no_password(bucket: Bucket) -> None:
    there = place("putstore://me:secret@bucket/results")
    assert isinstance(there, Remote)
    assert "secret" not in f"{there} {there!r} {there / 'a' / 'b'} {there.parent}"
    assert (there / "a").parent == there
    assert (there / "a" / "b.json").name == "b.json"


@pytest.mark.parametrize(
    ("text", "halves"),
    [
        ("results/smoke/01:dms", ("results/smoke/01", "dms")),
        ("results/smoke/01", ("results/smoke/01", None)),
        ("s3://bucket/smoke/01:dms", ("s3://bucket/smoke/01", "dms")),
        ("s3://bucket/smoke/01", ("s3://bucket/smoke/01", None)),
        ("sftp://me@host:22/smoke/01", ("sftp://me@host:22/smoke/01", None)),
        ("sftp://me@host:22/smoke/01:dms", ("sftp://me@host:22/smoke/01", "dms")),
    ],
)
def test_the_colons_of_a_url_part_no_model(text: str, halves: tuple[str, str | None]) -> None:
    assert split_model(text) == halves
