"""Checkpoints that bring code or pickled weights: nothing of them is run unless it was asked for."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from counted import count

from dmsbench.errors import ModelError
from dmsbench.models.llava import LlavaModel
from dmsbench.models.spec import parse
from dmsbench.models.static import StaticModel
from dmsbench.models.trust import hash_code, own_code, trusting_code
from dmsbench.models.zoo import Zoo

#: A model of its own that is stock LLaVA in all but its name; merely reading it leaves a mark.
MODELLING = """
from pathlib import Path
from transformers import LlavaConfig, LlavaForConditionalGeneration
Path({mark!r}).write_text("was run")

class MineConfig(LlavaConfig):
    model_type = "mine"

class Mine(LlavaForConditionalGeneration):
    config_class = MineConfig
"""
FILES = ("config.json", "processor_config.json", "tokenizer_config.json", "preprocessor_config.json")


@pytest.fixture
def own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library copies code that it runs: not into the user's own cache."""
    folder = tmp_path / "modules"
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(folder))
    monkeypatch.syspath_prepend(str(folder))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


@pytest.fixture
def with_code(tmp_path: Path, checkpoint: Path, mark: Path) -> Path:
    folder = tmp_path / "with code"
    shutil.copytree(checkpoint, folder)
    (folder / "modeling_mine.py").write_text(MODELLING.format(mark=str(mark)))
    change(
        folder / "config.json",
        model_type="mine",
        auto_map={
            "AutoConfig": "modeling_mine.MineConfig",
            "AutoModelForImageTextToText": "modeling_mine.Mine",
        },
    )
    return folder


def change(path: Path, **values: Any) -> None:
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(content | values))


def test_code_is_refused_and_not_run(with_code: Path, mark: Path) -> None:
    with pytest.raises(ModelError, match=r"modeling_mine\.py.*was not run.*--trust-remote-code"):
        Zoo().load(parse(f"mine={with_code}"))
    assert not mark.exists()


@pytest.mark.parametrize("name", FILES)
def test_code_named_anywhere_is_refused(tmp_path: Path, checkpoint: Path, mark: Path, name: str) -> None:
    folder = tmp_path / "c"
    shutil.copytree(checkpoint, folder)
    (folder / "other.py").write_text(MODELLING.format(mark=str(mark)))
    change(folder / name, auto_map={"AutoProcessor": "other.Mine", "AutoTokenizer": ["other.A", None]})
    with pytest.raises(ModelError, match=r"other\.py"):
        LlavaModel(folder)
    assert not mark.exists()
    count("checkpoints with code refused")


def test_code_of_another_repository_is_named(tmp_path: Path) -> None:
    change(
        tmp_path / "config.json",
        auto_map={"AutoModel": "them/theirs--modeling.A"},
        text_config={"auto_map": {"AutoConfig": "inner.B"}},
    )
    assert own_code(tmp_path, "main") == ("inner.py", "them/theirs: modeling.py")


@pytest.mark.usefixtures("own_modules")
def test_code_that_is_allowed_runs_is_warned_of_and_is_part_of_the_keys(with_code: Path, mark: Path) -> None:
    warnings: list[str] = []
    with trusting_code(True, warnings.append):
        model = Zoo().load(parse(f"mine={with_code}"))
    assert isinstance(model, StaticModel)
    assert mark.read_text() == "was run"
    (warning,) = warnings
    assert str(with_code) in warning and "modeling_mine.py" in warning
    first = model.settings()["remote_code"]
    assert len(first) == 32
    with (with_code / "modeling_mine.py").open("a") as file:
        file.write("\n# another version\n")
    with trusting_code(True, warnings.append):
        other = StaticModel(with_code)
    assert other.settings()["remote_code"] != first
    assert {**other.settings(), "remote_code": first} == model.settings()
    assert other.state_key != model.state_key
    # What was allowed is allowed no longer.
    with pytest.raises(ModelError, match="--trust-remote-code"):
        StaticModel(with_code)


@pytest.mark.parametrize("words", [("run", "--out", "results", "--quiet"), ("fit", "--out", "scheduler")])
def test_commands_refuse_code_in_one_line(
    with_code: Path, mark: Path, command: Callable[..., Any], words: tuple[str, ...]
) -> None:
    model = ("--model", f"mine={with_code}") if words[0] == "run" else (f"mine={with_code}",)
    if words[0] == "fit":  # takes those only whose type it knows
        change(with_code / "config.json", model_type="llava")
    done = command(*words, *model, "--suite", "smoke", "--limit", "4")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "--trust-remote-code" in done.stderr
    assert not mark.exists()


def test_run_with_the_flag_warns_even_when_quiet_and_records_the_code(
    with_code: Path, mark: Path, command: Callable[..., Any], tmp_path: Path
) -> None:
    words = (
        "run",
        "--suite",
        "smoke",
        "--limit",
        "2",
        "--corruption",
        "clean",
        "--model",
        f"mine={with_code}",
    )
    home = {"HF_MODULES_CACHE": str(tmp_path / "modules")}
    done = command(*words, "--quiet", "--trust-remote-code", env=home)
    assert done.returncode == 0, done.stderr
    assert mark.exists() and f"'{with_code}' runs code of its own (modeling_mine.py)" in done.stderr
    (manifest,) = tmp_path.rglob("manifest.json")
    settings = json.loads(manifest.read_text())["models"]["mine"]["settings"]
    assert len(settings["remote_code"]) == 32


def test_stock_checkpoints_have_no_code_in_their_settings(checkpoint: Path) -> None:
    model = LlavaModel(checkpoint)
    assert "remote_code" not in model.settings()
    assert hash_code(model.model, model.processor) is None


def test_trust_warns_of_nothing_where_there_is_nothing(checkpoint: Path) -> None:
    warnings: list[str] = []
    with trusting_code(True, warnings.append):
        assert "remote_code" not in LlavaModel(checkpoint).settings()
    assert not warnings


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "model.pt",
        "model.pth",
        "model.ckpt",
        "weights.pkl",
        "pytorch_model-00001-of-00002.bin",
    ],
)
def test_pickled_weights_are_refused_unread(tmp_path: Path, checkpoint: Path, mark: Path, name: str) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(checkpoint, folder)
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Trap(mark)))
    with pytest.raises(ModelError, match=r"pickle.*safetensors.*save_pretrained") as error:
        LlavaModel(folder)
    assert name in str(error.value) and "\n" not in str(error.value)
    assert not mark.exists()
    count("checkpoints with pickled weights refused")


def test_pickled_weights_beside_safe_ones_are_not_read(tmp_path: Path, checkpoint: Path, mark: Path) -> None:
    folder = tmp_path / "both"
    shutil.copytree(checkpoint, folder)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(mark)))
    torch.save({"a": torch.zeros(1)}, folder / "training_args.bin")
    assert LlavaModel(folder).weights_hash == LlavaModel(checkpoint).weights_hash
    assert not mark.exists()


def test_a_config_cannot_ask_for_pickled_weights(tmp_path: Path, checkpoint: Path, mark: Path) -> None:
    folder = tmp_path / "named"
    shutil.copytree(checkpoint, folder)
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Trap(mark)))
    change(folder / "config.json", transformers_weights="adapter_model.bin")
    with pytest.raises(ModelError, match=r"adapter_model\.bin.*safetensors"):
        LlavaModel(folder)
    change(folder / "config.json", transformers_weights=None)
    with pytest.raises(ModelError, match=r"adapter_model\.bin.*safetensors"):
        LlavaModel(folder)
    assert not mark.exists()


def test_the_library_asks_no_service_to_convert_weights() -> None:
    import os

    import dmsbench.models.loading  # noqa: F401  (what sets it)

    assert os.environ["DISABLE_SAFETENSORS_CONVERSION"]
