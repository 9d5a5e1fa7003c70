"""Fitting a scheduler of picture and title, and models that use what it saved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dmsbench.data import load_dataset
from dmsbench.errors import DataError, ModelError
from dmsbench.models.blip2_retrieval import Blip2RetrievalModel
from dmsbench.models.retrieval_zoo import RetrievalZoo
from dmsbench.models.spec import parse
from dmsbench.suite import Suite, load_suite
from dmsbench.training.fit import FitPlan
from dmsbench.training.retrieval_fit import fit
from tests.dmsbench.tiny_dual import save_tiny_dual
from tests.dmsbench.tiny_retrieval import save_tiny_blip2_retrieval

FAMILIES = ("gaussian_noise", "keyboard", "mismatch_text")
PLAN = FitPlan(FAMILIES, limit=60)


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite("retrieval-corrupt")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_blip2_retrieval(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def fitted(suite: Suite, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fit")
    train = load_dataset("scenes", "train", level=2, count=90, task="retrieval")
    fit(Blip2RetrievalModel(checkpoint, depth=4), train, suite, out, PLAN)
    return out


def test_the_card_says_what_it_was_fitted_on(fitted: Path) -> None:
    card = json.loads((fitted / "fit.json").read_text())
    assert card["task"] == "retrieval" and set(card["corruptions"]) == set(FAMILIES)
    train = load_dataset("scenes", "train", level=2, count=90, task="retrieval")
    captions = {s.question: s.group for s in train.samples if s.direction == "text_to_image"}
    assert set(card["bank"]) <= set(captions) and len(card["bank"]) == 22
    # What is fitted to is not in the bank.
    assert card["data"]["images"] <= 60
    groups = [s.group for s in train.samples if s.direction == "image_to_text"]
    assert not {captions[text] for text in card["bank"]} & set(groups[:60])
    assert {"constant", "permuted", "rule"} <= set(card["rivals"])


def test_equal_plans_give_equal_schedulers(
    suite: Suite, checkpoint: Path, fitted: Path, tmp_path: Path
) -> None:
    train = load_dataset("scenes", "train", level=2, count=90, task="retrieval")
    fit(Blip2RetrievalModel(checkpoint, depth=4), train, suite, tmp_path, PLAN)
    names = ("scheduler.json", "rivals.json", "fit.json")
    assert all((fitted / name).read_bytes() == (tmp_path / name).read_bytes() for name in names)


@pytest.mark.parametrize("fusion", ["dms", "rule", "late", "pdf", "constant", "permuted"])
def test_every_fusion_of_a_fit_ranks(fusion: str, checkpoint: Path, fitted: Path) -> None:
    spec = parse(f"m={checkpoint},depth=4,fusion={fusion},scheduler={fitted}")
    model = RetrievalZoo().load(spec)
    data = load_dataset("scenes", "validation", level=2, count=6, task="retrieval")
    items = [sample for sample in data.samples if sample.direction == "image_to_text"]
    from dmsbench.data.base import load_image
    from dmsbench.models.retrieval import Item

    images = model.encode_images([load_image(s.image) for s in items], [s.group for s in items])
    titles = model.encode_texts([s.context or "" for s in items])
    texts = model.encode_texts([s.question for s in data.samples if s.direction == "text_to_image"])
    things = [Item(image, title) for image, title in zip(images, titles, strict=True)]
    found = model.rank("text_to_image", things, texts, range(6))
    assert found.scores.shape == (6, 6) and found.weights is not None
    assert torch.allclose(torch.tensor(found.weights).sum(1), torch.ones(6), atol=1e-5)
    measured = found.signals is not None and bool(torch.isfinite(found.signals.confidence).all())
    assert measured == (fusion not in ("constant", "permuted"))


def test_a_dual_encoder_is_fitted_by_its_only_stage(suite: Suite, tmp_path: Path) -> None:
    folder = save_tiny_dual(tmp_path / "clip", "clip")
    adapter = RetrievalZoo().adapter(parse(f"m={folder}"))
    train = load_dataset("scenes", "train", level=2, count=60, task="retrieval")
    fit(adapter, train, suite, tmp_path / "fit", PLAN)
    model = RetrievalZoo().load(parse(f"m={folder},fusion=dms,scheduler={tmp_path / 'fit'}"))
    assert model.settings()["fusion"]["bank"].startswith("15:")


def test_too_few_items_are_refused(suite: Suite, checkpoint: Path, tmp_path: Path) -> None:
    train = load_dataset("scenes", "train", level=2, count=4, task="retrieval")
    with pytest.raises(DataError, match="too few"):
        fit(Blip2RetrievalModel(checkpoint), train, suite, tmp_path, PLAN)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("fusion=dms,alpha=2", "models that answer"),
        ("max_new_tokens=4", "models that answer"),
        ("fusion=tmc", "late, mla or qmf"),
        ("fusion=fixed,weight=0.4,mixing=bias", "mixing=mixture"),
        ("fusion=mla", "fit one"),
    ],
)
def test_what_retrieval_cannot_do_is_said(options: str, words: str, checkpoint: Path) -> None:
    with pytest.raises(ModelError, match=words):
        RetrievalZoo().load(parse(f"m={checkpoint},{options}"))


def test_depth_is_of_two_stages(tmp_path: Path) -> None:
    folder = save_tiny_dual(tmp_path, "clip")
    with pytest.raises(ModelError, match="depth"):
        RetrievalZoo().load(parse(f"m={folder},depth=4"))


def test_another_checkpoints_scheduler_is_refused(tmp_path: Path, fitted: Path) -> None:
    other = save_tiny_blip2_retrieval(tmp_path, seed=5)
    with pytest.raises(ModelError, match="other weights"):
        RetrievalZoo().load(parse(f"m={other},fusion=dms,scheduler={fitted}"))


def test_what_answers_is_no_retriever() -> None:
    with pytest.raises(ModelError, match="do not retrieve"):
        RetrievalZoo().load(parse("baseline"))
