"""The run folder: whole parts or none, locks, manifests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.errors import DmsbenchError, NotComparableError
from dmsbench.files import write_atomically
from dmsbench.runner.records import SCHEMA
from dmsbench.runner.store import MANIFEST_FORMAT, RunFolder, digest


def rows(count: int = 3) -> dict[str, list[Any]]:
    values: dict[str, Any] = {
        "model": "m",
        "group": "g",
        "image_corruption": "clean",
        "image_severity": 0,
        "text_corruption": "clean",
        "text_severity": 0,
        "question": "is there a circle?",
        "references": ["yes"],
        "prediction": "yes",
        "score": 1.0,
        "status": "ok",
        "changed": False,
    }
    columns = {name: [values.get(name)] * count for name in SCHEMA.names}
    return columns | {"sample_id": [f"s{i}" for i in range(count)]}


def test_a_part_comes_back_as_it_was(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert not folder.has_part("m", "k1")
    folder.write_part("m", "k1", rows())
    assert folder.has_part("m", "k1")
    table = folder.read_part("m", "k1")
    assert table["sample_id"].to_pylist() == ["s0", "s1", "s2"]
    assert table["references"].to_pylist() == [["yes"]] * 3
    assert not list(tmp_path.rglob("*.tmp"))


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        RunFolder(tmp_path / name).write_part("m", "k", rows())
    one, two = (RunFolder(tmp_path / name).part("m", "k").read_bytes() for name in ("a", "b"))
    assert one == two


def test_every_flipped_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_part("m", "k", rows(20))
    whole = folder.part("m", "k").read_bytes()
    expected = folder.read_part("m", "k")
    noticed = 0
    for place in range(0, len(whole), 41):
        flipped = bytearray(whole)
        flipped[place] ^= 0x55
        folder.part("m", "k").write_bytes(flipped)
        if folder.has_part("m", "k"):
            assert folder.read_part("m", "k").equals(expected)
        else:
            noticed += 1
    assert noticed > 50


def test_a_part_under_another_name_is_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_part("m", "k1", rows())
    folder.part("m", "k1").rename(folder.part("m", "k2"))
    with pytest.raises(DmsbenchError, match=r"k2\.parquet: not the part that its name says"):
        folder.read_part("m", "k2")
    pq.write_table(SCHEMA.empty_table(), folder.part("m", "k3"))
    assert not folder.has_part("m", "k3")


def test_a_failed_write_leaves_the_old_file_and_nothing_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_second_run_on_the_folder_is_refused(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from dmsbench.runner.store import RunFolder\n"
        "from dmsbench.errors import DmsbenchError\n"
        "try:\n    with RunFolder(Path(sys.argv[1])).locked(): print('in')\n"
        "except DmsbenchError as error: print(error)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with RunFolder(tmp_path).locked():
        refused = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "another run is writing here" in refused.stdout
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "in\n"


def test_manifest_errors_say_what_and_where(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(DmsbenchError, match="no run here"):
        folder.manifest()
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(DmsbenchError, match="cannot be read"):
        folder.manifest()
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(DmsbenchError, match="not a manifest"):
        folder.manifest()
    rest = {"format": MANIFEST_FORMAT, "fingerprint": "f", "chance": None, "dataset": {}, "identity": {}}
    folder.write_manifest(
        {**rest, "models": {"m": {"status": "complete", "parts": [{"key": "0123456789ab"}]}}}
    )
    with pytest.raises(NotComparableError, match="lacks 1 of 1 parts"):
        folder.records("m")
    with pytest.raises(NotComparableError, match="no model 'x' here; it holds m"):
        folder.records("x")


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.one_of(st.integers(), st.text(max_size=5), st.none(), st.booleans()),
        max_size=5,
    )
)
def test_digest_depends_on_content_alone(content: dict[str, Any]) -> None:
    assert digest(content) == digest(dict(reversed(list(content.items()))))
    assert digest(content) != digest({**content, "more": 1.5})
    assert len(digest(content)) == 24
