"""The zoo: one adapter a checkpoint, options handed on, errors in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dmsbench.errors import ModelError
from dmsbench.models.base import Prompt
from dmsbench.models.blip2 import Blip2Model
from dmsbench.models.fixed import FixedModel
from dmsbench.models.llava import LlavaModel
from dmsbench.models.mixed import MixedModel
from dmsbench.models.scheduled import ScheduledModel
from dmsbench.models.spec import RIVALS, checkpoint_folder, parse
from dmsbench.models.zoo import SCHEDULER_FILE, Zoo, pick_device


def test_models_of_one_checkpoint_share_its_adapter(tiny_folder: Path) -> None:
    zoo = Zoo(answer_space=("red", "blue"))
    static = zoo.load(parse(f"a={tiny_folder}"))
    named = zoo.load(parse(f"b={tiny_folder},dtype=float32,attention=sdpa,max_new_tokens=16"))
    weighted = zoo.load(parse(f"c={tiny_folder},fusion=dms,alpha=3,beta=0.5,passes=4"))
    assert isinstance(static, LlavaModel) and static is named
    assert isinstance(weighted, ScheduledModel) and weighted.adapter is static
    assert weighted.state_key == static.state_key
    assert weighted.scheduler.settings() == {"scheduler": "rule", "alpha": 3.0, "beta": 0.5}
    assert weighted.monte_carlo.passes == 4
    assert weighted.outcomes is not None and len(weighted.outcomes) == 2
    other = zoo.load(parse(f"d={tiny_folder},max_new_tokens=3,attention=eager,dtype=bfloat16"))
    assert isinstance(other, LlavaModel) and other is not static
    assert (other.max_new_tokens, other.attention, other.dtype) == (3, "eager", "bfloat16")


def test_the_checkpoints_config_picks_the_adapter(
    tiny_folder: Path, tiny_blip2_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    zoo = Zoo(answer_space=("red", "blue"))
    assert isinstance(zoo.load(parse(f"a={tiny_folder}")), LlavaModel)
    assert isinstance(zoo.load(parse("baseline")), LlavaModel)
    for kind in ("opt", "t5"):
        static = zoo.load(parse(f"b={tiny_blip2_folder(kind)}"))
        weighted = zoo.load(parse(f"c={tiny_blip2_folder(kind)},fusion=dms,alpha=3,beta=0.5"))
        assert isinstance(static, Blip2Model)
        assert isinstance(weighted, ScheduledModel) and weighted.adapter is static
    other = tmp_path / "other"
    shutil.copytree(tiny_folder, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"model_type": "no_such_model"}))
    with pytest.raises(ModelError, match=r"cannot load .*model type 'no_such_model'"):
        zoo.load(parse(f"m={other}"))
    with pytest.raises(ModelError, match=r"type 'no_such_model' are static only.* llava, blip-2"):
        zoo.load(parse(f"m={other},fusion=dms,alpha=1,beta=1"))
    for text in ("{", "{}"):
        (other / "config.json").write_text(text)
        with pytest.raises(ModelError, match=f"cannot load '{other}'") as caught:
            zoo.load(parse(f"m={other}"))
        assert "\n" not in str(caught.value)


def test_an_open_task_has_the_whole_vocabulary_as_outcomes(tiny_folder: Path) -> None:
    model = Zoo().load(parse(f"c={tiny_folder},fusion=dms,alpha=1,beta=1"))
    assert isinstance(model, ScheduledModel) and model.outcomes is None


def test_the_rule_beside_a_checkpoint(tiny_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "with rule"
    shutil.copytree(tiny_folder, folder)
    (folder / SCHEDULER_FILE).write_text(json.dumps({"alpha": 7, "beta": 2}))
    zoo = Zoo()
    for options, expected in (("", (7.0, 2.0)), (",alpha=1", (1.0, 2.0)), (",beta=0", (7.0, 0.0))):
        model = zoo.load(parse(f"m={folder},fusion=dms{options}"))
        assert isinstance(model, ScheduledModel)
        assert (model.scheduler.settings()["alpha"], model.scheduler.settings()["beta"]) == expected


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"alpha": 1}', '{"alpha": -1, "beta": 0}', '{"alpha": null, "beta": 0}']
)
def test_a_broken_rule_file_is_one_line(tiny_folder: Path, tmp_path: Path, content: str) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(tiny_folder, folder)
    (folder / SCHEDULER_FILE).write_text(content)
    with pytest.raises(ModelError, match=SCHEDULER_FILE) as caught:
        Zoo().load(parse(f"m={folder},fusion=dms"))
    assert "\n" not in str(caught.value)


def test_devices() -> None:
    assert pick_device("cpu") == "cpu"
    assert pick_device("auto") in ("cpu", "cuda", "mps")
    for name in ("gpu", "cuda:99", ""):
        with pytest.raises(ModelError, match="cannot be used") as caught:
            pick_device(name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", RIVALS)
def test_rivals_mix_the_corners_alone(tiny_folder: Path, noise_pictures: list[Any], name: str) -> None:
    model = Zoo(answer_space=("red", "blue")).load(parse(f"r={tiny_folder},fusion={name}"))
    assert isinstance(model, MixedModel)
    prompts = [Prompt("What color is the circle?"), Prompt("no")]
    state = model.encode(noise_pictures)
    shares = model.scheduler.mixture(model.evidence(state, [0, 1], prompts))
    assert (shares[:, model.scheduler.points.uniform] == 0).all()
    answers = model.answer(state, [0, 1], prompts)
    assert answers.weights is not None
    assert answers.weights.sum(axis=1) == pytest.approx(1.0)
    assert model.settings()["fusion"]["scheduler"] in ("late_fusion", "mla", "qmf", "tmc")
    assert model.mixing == ("join" if name == "tmc" else "mixture")


def test_rivals_pool_logits_and_weigh_the_joint_pass(tiny_folder: Path) -> None:
    zoo = Zoo(answer_space=("red", "blue"))
    found = set()
    for fusion in ("late", "mla", "qmf"):
        for options in ("", ",pooling=logit", ",points=all", ",pooling=logit,points=all"):
            model = zoo.load(parse(f"r={tiny_folder},fusion={fusion}{options}"))
            assert isinstance(model, MixedModel)
            assert model.mixing == ("log_pool" if "logit" in options else "mixture")
            found.add(json.dumps(model.settings(), sort_keys=True))
    assert len(found) == 12


def test_controls_share_the_adapter(tiny_folder: Path) -> None:
    zoo = Zoo()
    static = zoo.load(parse(f"a={tiny_folder}"))
    for options, point in (("fusion=image", (1.0, 0.0)), ("fusion=fixed,weight=0.25", (0.25, 0.75))):
        model = zoo.load(parse(f"b={tiny_folder},{options}"))
        assert isinstance(model, FixedModel) and model.adapter is static
        assert model.scheduler.point == point
    for mixing in ("mixture", "choice"):
        ruled = zoo.load(parse(f"c={tiny_folder},fusion=dms,alpha=1,beta=2,mixing={mixing}"))
        assert isinstance(ruled, MixedModel) and ruled.mixing == mixing
        assert ruled.scheduler.settings()["scheduler"] == "rule_mixture"


def test_a_config_of_wrong_types_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(ModelError, match="cannot load"):
        Zoo().load(parse(f"a={tmp_path}"))
    shutil.copytree(checkpoint_folder("tiny-llava-scenes"), tmp_path / "ck")
    config = json.loads((tmp_path / "ck" / "config.json").read_text())
    config["text_config"]["hidden_size"] = "big"
    (tmp_path / "ck" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="hidden_size"):
        Zoo().load(parse(f"a={tmp_path / 'ck'}"))
