"""Finished runs from tables of right and wrong, without a model: for the tests of gates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dmsbench.runner.records import SCHEMA
from dmsbench.runner.store import COMPLETE, MANIFEST_FORMAT, RunFolder
from dmsbench.tasks.scorers import scorer

Table = npt.NDArray[np.bool_]

#: Image corruption, its severity, text corruption, its severity.
GRID = (
    ("clean", 0, "clean", 0),
    *(("gaussian_blur", severity, "clean", 0) for severity in (1, 3)),
    *(("fog", severity, "clean", 0) for severity in (1, 3)),
    *(("clean", 0, "keyboard", severity) for severity in (1, 3)),
)
PER_IMAGE = 3
SAMPLES = 120
MACHINE = {"processor": "made up", "cores": 2, "device": "cpu"}


def answers(seed: int = 0, samples: int = SAMPLES) -> Table:
    """(samples, conditions): three in four right, alike by image."""
    rng = np.random.default_rng(seed)
    ease = np.repeat(rng.uniform(0.5, 1.0, -(-samples // PER_IMAGE)), PER_IMAGE)[:samples, None]
    return rng.random((samples, len(GRID))) < ease


def worse(table: Table, columns: list[int], share: float, seed: int = 1) -> Table:
    """This share of the right answers of these conditions made wrong."""
    found = table.copy()
    spoilt = np.random.default_rng(seed).random(table.shape) < share
    found[:, columns] &= ~spoilt[:, columns]
    return found


def make_run(
    out: Path, models: Mapping[str, Table], *, suite: str = "made-up", name: str = "0" * 12, **changes: Any
) -> RunFolder:
    """Writes a run; ``changes`` are of its identity, or of all models' entries where they say ``timing`` or
    ``text`` (of question, right and wrong answer)."""
    timing = changes.pop(
        "timing", {"answered": 100, "model_seconds": 1.0, "batch_size": 8, "machine": MACHINE}
    )
    question, right, wrong = changes.pop("text", ("what colour is it?", "red", "blue"))
    folder = RunFolder(out / suite / name)
    identity = {
        "suite": suite,
        "task": "vqa",
        "score": scorer("exact_match", "vqa").signature,
        "dataset": {"name": "local", "split": "all", "fingerprint": "f" * 32, "samples": "a" * 24},
        "seed": 0,
        "profile": "auto",
        "conditions": [],
        "corruptions": {"gaussian_blur": 1, "fog": 1, "keyboard": 1},
        **changes,
    }
    entries: dict[str, Any] = {}
    for at, (model, table) in enumerate(models.items()):
        key = f"{at:024x}"
        n = table.size
        grid = [GRID[i] for _ in range(len(table)) for i in range(table.shape[1])]
        samples = np.repeat(np.arange(len(table)), table.shape[1])
        flat = table.reshape(-1)
        rows: dict[str, Any] = {
            "model": [model] * n,
            "sample_id": [f"q{i:04}" for i in samples],
            "group": [f"i{i // PER_IMAGE:04}" for i in samples],
            "question": [question] * n,
            "references": [[right]] * n,
            "prediction": [right if one else wrong for one in flat],
            "score": flat.astype(np.float32),
            "status": ["ok"] * n,
            "changed": [cell != GRID[0] for cell in grid],
        }
        for place, column in enumerate(
            ("image_corruption", "image_severity", "text_corruption", "text_severity")
        ):
            rows[column] = [cell[place] for cell in grid]
        folder.write_part(model, key, {field.name: rows.get(field.name, [None] * n) for field in SCHEMA})
        entries[model] = {
            "spec": f"{model}-spec",
            "fingerprint": "b" * 24,
            "settings": {"family": "made-up"},
            "environment": {},
            "status": COMPLETE,
            "parts": [{"key": key}],
            "timing": timing,
        }
    folder.write_manifest(
        {
            "format": MANIFEST_FORMAT,
            "dmsbench": "0.1.0",
            "created": "2026-01-01T00:00:00+00:00",
            "fingerprint": "c" * 24,
            "identity": identity,
            "suite": {"name": suite},
            "dataset": {"name": "local", "split": "all", "samples": SAMPLES},
            "left_out": [],
            "chance": None,
            "models": entries,
        }
    )
    return folder
