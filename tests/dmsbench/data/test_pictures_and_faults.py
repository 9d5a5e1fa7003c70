"""Pictures of more than 8 bits, and rows that were mended."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dmsbench.data import SampleError, load_dataset
from dmsbench.data.base import load_image


@pytest.mark.parametrize("name", ["ramp.png", "ramp.tif"])
def test_sixteen_bits_keep_their_tones(tmp_path: Path, name: str) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint16) * 257, (4, 1))
    Image.fromarray(ramp).save(tmp_path / name)
    assert np.array_equal(load_image(tmp_path / name)[0, :, 1], np.arange(256))


@pytest.mark.parametrize(("kind", "said"), [(np.int32, "integers"), (np.float32, "floating-point")])
def test_pixels_of_unknown_range_are_refused(tmp_path: Path, kind: type, said: str) -> None:
    Image.fromarray(np.full((4, 4), 1000, kind)).save(tmp_path / "wide.tif")
    with pytest.raises(SampleError, match=rf"wide.tif: its pixels are .*{said}.*; save it with 8 bits"):
        load_image(tmp_path / "wide.tif")


def test_a_mended_row_is_other_data(tmp_path: Path) -> None:
    """A stored error must not be read back once the row is right, though all that is read of it agrees."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    row = {"image": "a.png", "question": "what?", "answers": ["it"], "context": 5}
    (tmp_path / "q.jsonl").write_text(json.dumps(row))
    broken = load_dataset("local", path=tmp_path / "q.jsonl")
    (tmp_path / "q.jsonl").write_text(json.dumps(row | {"context": None}))
    mended = load_dataset("local", path=tmp_path / "q.jsonl")
    assert broken.samples[0].fault
    assert not mended.samples[0].fault
    assert broken.fingerprint != mended.fingerprint
