"""The whole way with a BLIP-2 checkpoint from a folder: static and scheduled, with records of both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dmsbench.runner.store import RunFolder


@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_a_run_compares_static_with_scheduled(
    tiny_blip2_folder: Callable[[str], Path],
    noise_pictures: list[Any],
    tmp_path: Path,
    dmsbench: Callable[..., Any],
    kind: str,
) -> None:
    rows = []
    for i, pixels in enumerate(noise_pictures[:3]):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        for question, answer in (("What color is the circle?", "red"), ("Is there a red shape?", "no")):
            rows.append(
                {"id": f"{i}{answer}", "image": f"{i}.png", "question": question, "answers": [answer]}
            )
    rows[0]["context"] = "The circle is red."
    file = tmp_path / "mine.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    folder = tiny_blip2_folder(kind)
    command = ["run", "--suite", "smoke", "--data", file, "--severity", "3", "--out", tmp_path / "out"]
    models = ["--model", f"b={folder}", "--model", f"d={folder},fusion=dms,alpha=20,beta=5"]
    done = dmsbench(*command, *models)
    assert done.code == 0, done.err
    (run,) = (tmp_path / "out" / "smoke").iterdir()
    found = {name: RunFolder(run).records(name) for name in ("b", "d")}
    for records in found.values():
        assert len(records) > 6 * 5
        assert (records["status"] == "ok").all()
        assert np.isfinite(records["confidence"]).all()
    weights = np.stack([found["d"][f"weight_{name}"] for name in ("image", "text")])
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, rtol=1e-5)
    assert np.abs(weights - 0.5).max() > 0.01
    assert (found["b"]["prediction"] != found["d"]["prediction"]).any()
    again = dmsbench(*command, *models)
    assert again.code == 0
    assert dmsbench("compare", "b", "d", "--out", tmp_path / "out").code == 0
