"""A run over a folder of bad pictures and bad rows, by the real command: each costs itself alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from counted import count
from picture_files import ALL, encoded, png_of

from dmsbench.runner.find import runs

BAD_PICTURES = {
    "empty.png": b"",
    "text.png": b"hello",
    "cut.jpg": encoded("JPEG")[:400],
    "cut.png": encoded("PNG")[:300],
    "bomb.png": png_of(30_000, 30_000, 30_000),
    "thread.png": png_of(80_000_000, 1, 1),
    "program.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
    "wide.tif": encoded("TIFF", "F"),
}
GOOD_PICTURES = {
    **{
        f"{kind}-{mode.replace(';', '-')}": encoded(kind, mode)
        for kind, mode in ALL
        if mode not in ("I", "F")
    },
    "dot.png": png_of(1, 1, 1),
    "line.png": png_of(4000, 1, 1),
    "column.png": png_of(1, 4000, 4000),
    "first.gif": encoded("GIF", "P", save_all=True, append_images=[]),
}
ODD_QUESTIONS = ("‏ما هذا؟", "is it \x1b[2J\x07 red?", "línea\u2028dos", "?")
BAD_ROWS = (
    json.dumps({"image": "dot.png", "question": "a" * 5000, "answers": ["more than the model reads"]}),
    "not JSON",
    "[]",
    "{}",
    json.dumps({"image": "dot.png", "question": "what?"}),
    json.dumps({"image": "dot.png", "question": "x" * 10_485_760, "answers": ["a"]}),
    json.dumps({"image": "dot.png", "question": "half \ud800", "answers": ["a"]}),
    json.dumps({"image": "../secret.png", "question": "what?", "answers": ["a"]}),
    json.dumps({"image": "/etc/passwd", "question": "what?", "answers": ["a"]}),
    json.dumps({"image": "leak.png", "question": "what?", "answers": ["a"]}),
    json.dumps({"image": "pipe.png", "question": "what?", "answers": ["a"]}),
    json.dumps({"image": "folder", "question": "what?", "answers": ["a"]}),
    json.dumps({"id": "q-dot.png", "image": "dot.png", "question": "what?", "answers": ["twice"]}),
)
SUITE = """
name: bad-data
dataset: {name: local, path: rows.jsonl}
models: [baseline]
severities: [5]
max_error_rate: 0.5
grid:
  image: [gaussian_noise, fog, motion_blur, pixelate, elastic_transform, rotate]
  text: [keyboard, word_delete]
  modality: [drop_image, mismatch]
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    for name, content in {**BAD_PICTURES, **GOOD_PICTURES}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "leak.png").symlink_to("/etc/hostname")
    asked = [
        {"id": f"q-{name}", "image": name, "question": "what shape is it?", "answers": ["circle"]}
        for name in (*GOOD_PICTURES, *BAD_PICTURES)
    ]
    odd = [
        {"id": f"odd-{number}", "image": "dot.png", "question": question, "answers": ["circle"]}
        for number, question in enumerate(ODD_QUESTIONS)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join([*map(json.dumps, [*asked, *odd]), *BAD_ROWS]))
    (tmp_path / "bad.yaml").write_text(SUITE)
    return tmp_path / "bad.yaml"


def test_a_bad_sample_costs_that_sample(suite: Path) -> None:
    out = suite.parent / "results"
    ended = subprocess.run(
        [sys.executable, "-m", "dmsbench", "run", "--suite", str(suite), "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "COLUMNS": "200"},
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Warning" not in ended.stderr
    assert "\x1b[2J" not in ended.stdout + ended.stderr
    (folder,) = runs(out)
    records = folder.records("baseline")
    conditions = 11
    bad = len(BAD_PICTURES) + len(BAD_ROWS)
    good = len(GOOD_PICTURES) + len(ODD_QUESTIONS)
    assert len(records) == conditions * (bad + good)
    status = Counter(records["status"])
    # A sample whose picture is gone, or another's, can be asked though its own cannot be read.
    failed = records[records["status"] == "data_error"]
    named = {str(sample) for sample in failed["sample_id"]}
    for name in BAD_PICTURES:
        assert f"q-{name}" in named
    for name in GOOD_PICTURES:
        assert f"q-{name}" not in named, failed[failed["sample_id"] == f"q-{name}"]["error"].tolist()
    assert len(named) == bad
    assert set(status) == {"ok", "data_error", "left_out"}  # an exchanged picture makes answers false
    assert all(str(reason).isprintable() and reason for reason in failed["error"])
    count("bad inputs: samples of a run", bad)
