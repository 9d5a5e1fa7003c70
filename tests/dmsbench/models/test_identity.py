"""Records are kept by what a checkpoint computes, not by where it lies."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dmsbench.models.llava import LlavaModel
from dmsbench.models.spec import CHECKPOINTS, checkpoint_folder
from dmsbench.training.saving import weights_hash

SHIPPED = checkpoint_folder("tiny-llava-easy-vqa")


def changed(folder: Path, **of_text: object) -> Path:
    """The shipped checkpoint with another text config beside the same weights."""
    shutil.copytree(SHIPPED, folder)
    config = json.loads((folder / "config.json").read_text())
    config["text_config"] |= of_text
    config["transformers_version"] = "0.0.0"
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    "of_text", [{"num_attention_heads": 8, "num_key_value_heads": 8, "head_dim": 12}, {"rms_norm_eps": 0.1}]
)
def test_another_config_on_the_same_weights_is_another_model(
    of_text: dict[str, object], tmp_path: Path
) -> None:
    shipped = LlavaModel(SHIPPED)
    other = LlavaModel(changed(tmp_path / "other", **of_text))
    ours, theirs = shipped.settings(), other.settings()
    assert {key for key in ours if ours[key] != theirs[key]} == {"config"}
    assert shipped.state_key != other.state_key


def test_another_place_and_version_is_the_same_model(tmp_path: Path) -> None:
    shipped, moved = LlavaModel(SHIPPED), LlavaModel(changed(tmp_path / "moved"))
    assert shipped.settings() == moved.settings()
    assert shipped.state_key == moved.state_key


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_shipped_checkpoint_is_what_its_card_says(name: str) -> None:
    folder = checkpoint_folder(name)
    facts = json.loads((folder / "training.json").read_text())
    digest = weights_hash(folder)
    assert facts["weights_blake2b"] == digest and digest in (folder / "README.md").read_text()
    assert facts["name"] == name
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 4e6
