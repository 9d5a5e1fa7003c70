"""A fit of probes on a tiny random checkpoint: continued, used by its card, refused where it does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_paligemma import save_tiny_paligemma
from tiny_prefixed import save_tiny

from dmsbench.data import Dataset, load_dataset
from dmsbench.errors import ModelError
from dmsbench.models.base import Prompt
from dmsbench.models.fitted import FIT_FILE, PROBES_FILE, TYPICALITY_FILE, load_fitted
from dmsbench.models.fitted_rivals import RIVALS_FILE
from dmsbench.models.idefics3 import SmolVlmModel
from dmsbench.models.llava import LlavaModel
from dmsbench.models.mixed import MixedModel
from dmsbench.models.probed import ProbedModel
from dmsbench.models.qwen2_vl import Qwen2VlModel
from dmsbench.models.scaled import ScaledAdapter
from dmsbench.models.spec import FITTED, parse
from dmsbench.models.zoo import Zoo
from dmsbench.suite import load_suite
from dmsbench.training.fit import EVIDENCE_FOLDER, FitPlan, fit
from dmsbench.training.simulated import FAMILIES

pytestmark = pytest.mark.usefixtures("one_thread")
PLAN = FitPlan(FAMILIES, limit=200, source="probe")
SUITE = load_suite("vqa-corrupt")
PROMPTS = [Prompt("what color is the circle?"), Prompt("no", has_image=False), Prompt("is it red?")]


@pytest.fixture(scope="module")
def train() -> Dataset:
    return load_dataset("easy_vqa", "train")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_llava: LlavaModel, train: Dataset) -> Path:
    out = tmp_path_factory.mktemp("probed")
    fit(tiny_llava, train, SUITE, out, PLAN)
    return out


def copied(folder: Path, to: Path) -> Path:
    for path in folder.iterdir():
        if path.is_file():
            (to / path.name).write_bytes(path.read_bytes())
    return to


def test_the_card_says_probes_and_the_run_uses_them(
    folder: Path, tiny_folder: Path, tiny_llava: LlavaModel, noise_pictures: list[Any]
) -> None:
    card = json.loads((folder / FIT_FILE).read_text())
    assert card["source"] == "probe" and card["monte_carlo"]["passes"] == 4
    assert set(card["unimodal"]) == {"image", "text"} and set(card["unimodal"]["text"]) == {"probe", "corner"}
    loaded = load_fitted(folder, tiny_llava.weights_hash)
    assert loaded.source == "probe" and loaded.scheduler.mode == "choice"
    assert loaded.scheduler.standardiser.columns[:2] == ("confidence(image)", "confidence(text)")
    spec = f"x={tiny_folder},fusion=dms,scheduler={folder}"
    model = Zoo().load(parse(spec))
    assert isinstance(model, ProbedModel) and model.mixing == "choice"
    answers = model.answer(model.encode(noise_pictures), [0, 1, 2], PROMPTS)
    assert answers.weights is not None and answers.signals is not None
    assert set(answers.weights.flatten().tolist()) <= {0.0, 0.5, 1.0}
    assert torch.isfinite(answers.signals.uncertainty[0]).all()
    assert model.settings()["fusion"]["fitted_on"] == sorted(FAMILIES)
    for mixing in ("mixture", "scale"):
        other = Zoo().load(parse(f"{spec},mixing={mixing}"))
        assert isinstance(other, ProbedModel) and other.mixing == mixing
        assert isinstance(other.adapter, ScaledAdapter) == (mixing == "scale")
        given = other.answer(other.encode(noise_pictures), [0, 1, 2], PROMPTS)
        assert given.weights is not None and given.weights.sum(axis=1) == pytest.approx(1.0)


def test_what_was_collected_is_read_again_and_gives_the_same(
    folder: Path, tiny_llava: LlavaModel, train: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_fitted(folder, tiny_llava.weights_hash)
    (tmp_path / EVIDENCE_FOLDER).symlink_to(folder / EVIDENCE_FOLDER)
    monkeypatch.setattr(LlavaModel, "encode", None)
    again, _ = fit(tiny_llava, train, SUITE, tmp_path, PLAN)
    assert again.probes is not None and before.probes is not None
    assert again.probes.fingerprint == before.probes.fingerprint
    assert again.scheduler.fingerprint == before.scheduler.fingerprint


def test_another_source_leaves_nothing_of_the_first(
    folder: Path, tiny_llava: LlavaModel, tiny_folder: Path, train: Dataset, tmp_path: Path
) -> None:
    copied(folder, tmp_path)
    assert not (tmp_path / RIVALS_FILE).exists()
    fit(tiny_llava, train, SUITE, tmp_path, FitPlan(FAMILIES, limit=200, signals="paper"))
    assert (tmp_path / RIVALS_FILE).exists()
    assert not (tmp_path / PROBES_FILE).exists() and not (tmp_path / TYPICALITY_FILE).exists()
    model = Zoo().load(parse(f"x={tiny_folder},fusion=dms,scheduler={tmp_path},mixing=choice"))
    assert isinstance(model, MixedModel) and model.mixing == "choice"
    fit(tiny_llava, train, SUITE, tmp_path, PLAN)
    assert not (tmp_path / RIVALS_FILE).exists() and (tmp_path / PROBES_FILE).exists()


@pytest.mark.parametrize("fusion", ["late", *FITTED])
def test_rivals_are_of_corners(folder: Path, tiny_folder: Path, fusion: str) -> None:
    with pytest.raises(ModelError, match=f"fusion={fusion} needs .* --source corner") as caught:
        Zoo().load(parse(f"x={tiny_folder},fusion={fusion},scheduler={folder}"))
    assert "\n" not in str(caught.value)


def test_pictures_of_unlike_numbers_of_tokens_have_no_probes(train: Dataset, tmp_path: Path) -> None:
    for kind, adapter in (("qwen2_vl", Qwen2VlModel), ("smolvlm", SmolVlmModel)):
        model = adapter(save_tiny(tmp_path / kind, kind))
        with pytest.raises(ModelError, match=f"'{kind}', only for llava, blip-2, paligemma"):
            fit(model, train, SUITE, tmp_path / "out", PLAN)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="chooses one point"):
        FitPlan(FAMILIES, source="probe", mwcl=0.1)


def test_probes_of_another_checkpoint_are_refused(
    folder: Path, make_tiny_llava: Callable[..., Path], tmp_path: Path
) -> None:
    other = make_tiny_llava(tmp_path / "other", seed=1)
    with pytest.raises(ModelError, match="was fitted on other weights"):
        Zoo().load(parse(f"x={other},fusion=dms,scheduler={folder}"))


@pytest.mark.parametrize("damage", ["missing", "cut", "card", "source", "format"])
def test_a_damaged_folder_is_refused(
    folder: Path, tiny_llava: LlavaModel, tmp_path: Path, damage: str
) -> None:
    copied(folder, tmp_path)
    path, card = tmp_path / PROBES_FILE, json.loads((tmp_path / FIT_FILE).read_text())
    words = {
        "missing": "no probes in",
        "cut": "is damaged",
        "card": "do not belong together",
        "source": "was not fitted on signals of source 'corner'",
        "format": "fit it again",
    }
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "card":
        card["probes_fingerprint"] = "0" * 32
    elif damage == "source":
        card |= {"source": "corner", "format": 1}
    else:
        card["format"] = 1
    (tmp_path / FIT_FILE).write_text(json.dumps(card))
    with pytest.raises(ModelError, match=words[damage]) as caught:
        load_fitted(tmp_path, tiny_llava.weights_hash)
    assert "\n" not in str(caught.value)


def test_cards_from_before_probes_are_corners(tiny_llava: LlavaModel, train: Dataset, tmp_path: Path) -> None:
    fit(tiny_llava, train, SUITE, tmp_path, FitPlan(FAMILIES, limit=200, signals="answers"))
    card = json.loads((tmp_path / FIT_FILE).read_text())
    del card["source"]
    (tmp_path / FIT_FILE).write_text(json.dumps(card))
    assert load_fitted(tmp_path, tiny_llava.weights_hash).source == "corner"
    assert "seen" not in json.loads((tmp_path / "scheduler.json").read_text())


@pytest.mark.parametrize("kind", ["opt", "paligemma"])
def test_others_are_fitted_alike(
    tiny_blip2_folder: Callable[[str], Path],
    train: Dataset,
    noise_pictures: list[Any],
    tmp_path: Path,
    kind: str,
) -> None:
    whole = kind == "paligemma"
    checkpoint = save_tiny_paligemma(tmp_path / kind) if whole else tiny_blip2_folder(kind)
    out = tmp_path / "out"
    fit(Zoo().adapter(parse(f"x={checkpoint}")), train, SUITE, out, PLAN)
    model = Zoo().load(parse(f"x={checkpoint},fusion=dms,scheduler={out}"))
    assert isinstance(model, ProbedModel)
    answers = model.answer(model.encode(noise_pictures), [0, 1, 2], PROMPTS)
    assert answers.weights is not None and answers.weights[1].tolist() == [0, 1]
