"""A fit on a tiny random checkpoint: the same every time, continued where it stopped, refused elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from dmsbench.data import Dataset, load_dataset
from dmsbench.errors import DataError, ModelError
from dmsbench.fusion import fitting as fusion_fitting
from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Evidence, mix
from dmsbench.fusion.typicality import Typicality, load_typicality, save_typicality
from dmsbench.models.base import Prompt
from dmsbench.models.blind import BlindModel
from dmsbench.models.fitted import FIT_FILE, TYPICALITY_FILE, load_fitted
from dmsbench.models.fitted_rivals import RIVALS_FILE
from dmsbench.models.llava import LlavaModel
from dmsbench.models.mixed import MixedModel
from dmsbench.models.spec import FITTED, parse
from dmsbench.models.zoo import Zoo
from dmsbench.suite import load_suite
from dmsbench.training import collect, validation
from dmsbench.training import fit as fitting
from dmsbench.training.collect import right_answer
from dmsbench.training.consistency import normalised
from dmsbench.training.fit import EVIDENCE_FOLDER, FitPlan, Progress, fit
from dmsbench.training.simulated import FAMILIES

pytestmark = pytest.mark.usefixtures("one_thread")
PLAN = FitPlan(FAMILIES, limit=400)
SUITE = load_suite("vqa-corrupt")


@pytest.fixture(scope="module")
def train() -> Dataset:
    return load_dataset("easy_vqa", "train")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_llava: LlavaModel, train: Dataset) -> Path:
    out = tmp_path_factory.mktemp("scheduler")
    fit(tiny_llava, train, SUITE, out, PLAN)
    return out


def test_what_is_saved_is_what_is_loaded(folder: Path, tiny_llava: LlavaModel, tiny_folder: Path) -> None:
    loaded = load_fitted(folder, tiny_llava.weights_hash)
    card = json.loads((folder / FIT_FILE).read_text())
    assert card["weights_hash"] == tiny_llava.weights_hash
    assert card["data"]["split"] == "train" and card["suite"] == "vqa-corrupt"
    assert set(card["corruptions"]) == set(FAMILIES) and card["signals"] == "all"
    figures = card["validation"]
    assert {"static", "best_constant", "learned", "oracle", "conditions"} <= set(figures)
    assert figures["oracle"] >= figures["static"]["accuracy"]
    assert loaded.typicality is not None and loaded.outcomes is not None and len(loaded.outcomes) == 13
    model = Zoo().load(parse(f"x={tiny_folder},fusion=dms,scheduler={folder}"))
    assert isinstance(model, MixedModel) and model.mixing == "mixture"
    assert model.scheduler.settings() == loaded.scheduler.settings()
    assert model.settings()["fusion"]["fitted_on"] == sorted(FAMILIES)
    biased = Zoo().load(parse(f"x={tiny_folder},fusion=dms,scheduler={folder},mixing=bias"))
    assert isinstance(biased, MixedModel) and biased.mixing == "bias"


@pytest.mark.parametrize("fusion", ["late", *FITTED])
def test_what_is_saved_beside_the_scheduler_answers(
    folder: Path, tiny_folder: Path, noise_pictures: list[Any], fusion: str
) -> None:
    model = Zoo().load(parse(f"x={tiny_folder},fusion={fusion},scheduler={folder}"))
    prompts = [Prompt("what color is the circle?"), Prompt("no"), Prompt("no", has_image=False)]
    answers = model.answer(model.encode(noise_pictures), [0, 1, 2], prompts)
    assert answers.weights is not None and answers.weights[2].tolist() == [0, 1]
    assert answers.weights.sum(axis=1) == pytest.approx(1.0)
    card = json.loads((folder / FIT_FILE).read_text())["rivals"]
    saved = json.loads((folder / RIVALS_FILE).read_text())
    if isinstance(model, BlindModel):
        assert fusion in ("constant", "permuted")
        assert model.bank.settings()["scheduler"] == fusion
        if fusion == "constant":
            assert list(model.bank.shares[0]) == saved["constant"]
            constant = json.loads((folder / FIT_FILE).read_text())["validation"]["best_constant"]["accuracy"]
            assert card["constant"]["accuracy"] == constant, "the same shares on the same rows"
    else:
        assert isinstance(model, MixedModel)
        fitted = load_fitted(folder, model.adapter.settings()["weights"])
        assert model.reader.outcomes == fitted.outcomes
        assert model.reader.head.monte_carlo == fitted.monte_carlo
    assert all(0 <= each["accuracy"] <= 1 for each in card.values())


def test_rivals_of_another_fit_or_none_are_refused(folder: Path, tiny_folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    saved = json.loads((tmp_path / RIVALS_FILE).read_text())
    spec = parse(f"x={tiny_folder},fusion=rule,scheduler={tmp_path}")
    assert Zoo().load(spec)
    for content, words in (
        ({**saved, "scheduler": "0" * 32}, "do not belong together"),
        ({**saved, "format": 0}, "has format 0"),
        ({**saved, "constant": [1.0]}, "is damaged"),
        ({**saved, "rule": {**saved["rule"], "alpha": -1.0}}, "is damaged"),
        ({**saved, "rule": {**saved["rule"], "temperatures": [1.0]}}, "is damaged"),
        ({**saved, "late": {"probability": {"corners": {}}}}, "is damaged"),
        ({**saved, "permuted": {"shares": [["x"]], "conditions": []}}, "is damaged"),
        ([], "is damaged"),
    ):
        (tmp_path / RIVALS_FILE).write_text(json.dumps(content))
        with pytest.raises(ModelError, match=words) as caught:
            Zoo().load(spec)
        assert "\n" not in str(caught.value)
    (tmp_path / RIVALS_FILE).write_text("{")
    with pytest.raises(ModelError, match="is not valid JSON"):
        Zoo().load(spec)
    (tmp_path / RIVALS_FILE).unlink()
    with pytest.raises(ModelError, match="holds no rivals"):
        Zoo().load(spec)
    assert Zoo().load(parse(f"x={tiny_folder},fusion=dms,scheduler={tmp_path}")), "the scheduler is whole"


def test_again_is_the_same_and_reads_nothing_anew(
    folder: Path, tiny_llava: LlavaModel, train: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again, _ = fit(tiny_llava, train, SUITE, tmp_path, PLAN)
    assert again.scheduler.fingerprint == load_fitted(folder, tiny_llava.weights_hash).scheduler.fingerprint
    monkeypatch.setattr(LlavaModel, "encode", None)
    kept, _ = fit(tiny_llava, train, SUITE, tmp_path, PLAN)
    assert kept.scheduler.fingerprint == again.scheduler.fingerprint
    other, _ = fit(tiny_llava, train, SUITE, tmp_path, replace(PLAN, signals="paper"))
    assert other.typicality is None and not (tmp_path / TYPICALITY_FILE).exists()
    assert load_fitted(tmp_path, tiny_llava.weights_hash).scheduler.features == other.scheduler.features


def test_a_fit_that_was_stopped_goes_on(
    folder: Path, tiny_llava: LlavaModel, train: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "PART", 16)

    def stop(event: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(tiny_llava, train, SUITE, tmp_path, PLAN, on_progress=stop)
    (part,) = (tmp_path / EVIDENCE_FOLDER).iterdir()
    assert not (tmp_path / FIT_FILE).exists()
    with pytest.raises(ModelError, match="holds no fitted scheduler"):
        load_fitted(tmp_path, tiny_llava.weights_hash)
    before = part.stat().st_mtime_ns
    events: list[Progress] = []
    done, _ = fit(tiny_llava, train, SUITE, tmp_path, PLAN, on_progress=events.append)
    assert part.stat().st_mtime_ns == before
    assert events[-1].done == events[-1].total and events[-1].rows > 500
    part.write_bytes(part.read_bytes()[:100])  # a damaged part is made again
    assert (
        fit(tiny_llava, train, SUITE, tmp_path, PLAN)[0].scheduler.fingerprint == done.scheduler.fingerprint
    )


def test_other_weights_are_refused(
    folder: Path, make_tiny_llava: Callable[..., Path], tmp_path: Path
) -> None:
    other = make_tiny_llava(tmp_path / "other", seed=1)
    with pytest.raises(ModelError, match="was fitted on other weights") as caught:
        Zoo().load(parse(f"x={other},fusion=dms,scheduler={folder}"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "damage", ["json", "missing", "key", "swapped", "typicality", "cut", "other", "number", "names"]
)
def test_a_damaged_folder_is_refused(
    folder: Path, tiny_llava: LlavaModel, tmp_path: Path, damage: str
) -> None:
    for path in folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    card = json.loads((tmp_path / FIT_FILE).read_text())
    if damage == "json":
        (tmp_path / FIT_FILE).write_text("{")
    elif damage == "missing":
        (tmp_path / FIT_FILE).unlink()
    elif damage == "key":
        del card["monte_carlo"]
        (tmp_path / FIT_FILE).write_text(json.dumps(card))
    elif damage == "number":
        (tmp_path / FIT_FILE).write_text(json.dumps({**card, "outcomes": ["x"]}))
    elif damage == "names":
        (tmp_path / FIT_FILE).write_text(json.dumps({**card, "corruptions": 3}))
    elif damage == "swapped":
        (tmp_path / FIT_FILE).write_text(json.dumps({**card, "scheduler": "0" * 32}))
    elif damage == "typicality":
        (tmp_path / TYPICALITY_FILE).unlink()
    elif damage == "other":
        fitted = load_typicality(tmp_path / TYPICALITY_FILE)
        moved = {name: replace(each, mean=each.mean + 1.0) for name, each in fitted.items()}
        save_typicality(tmp_path / TYPICALITY_FILE, moved)
    else:
        (tmp_path / TYPICALITY_FILE).write_bytes((tmp_path / TYPICALITY_FILE).read_bytes()[:50])
    with pytest.raises(ModelError) as caught:
        load_fitted(tmp_path, tiny_llava.weights_hash)
    assert "\n" not in str(caught.value)


def test_the_consistency_loss_is_fitted_with_and_recorded(
    folder: Path, tiny_llava: LlavaModel, train: Dataset, tmp_path: Path
) -> None:
    fitted, reached = fit(tiny_llava, train, SUITE, tmp_path, replace(PLAN, limit=200, mwcl=0.5))
    facts = fitted.facts["mwcl"]
    assert facts["lambda"] == 0.5 and facts["attached"]
    assert facts["with"]["spread"] == facts["without"]["spread"] > 0, "the checkpoint is frozen"
    assert facts["with"]["accuracy"] == round(reached.learned.accuracy, 4)
    assert load_fitted(tmp_path, tiny_llava.weights_hash).scheduler.fitted["mwcl"] == 0.5
    (part,) = (tmp_path / EVIDENCE_FOLDER).iterdir()
    kept = load_file(part)
    width = tiny_llava.model.lm_head.in_features
    assert kept["hidden"].shape == (len(kept["consistency"]), 2, width)
    assert kept["hidden"].dtype == torch.float16
    # The hidden state is what the outcomes are read off: of the first row at the text corner.
    assert fitted.outcomes is not None
    said = tiny_llava.outcome_logits(kept["hidden"][:, 1].float(), fitted.outcomes).softmax(dim=-1)
    torch.testing.assert_close(said, kept["probabilities"][:, 1], atol=5e-3, rtol=5e-3)
    plain, without = fit(tiny_llava, train, SUITE, tmp_path, replace(PLAN, limit=200))
    assert facts["without"]["accuracy"] == round(without.learned.accuracy, 4)
    assert facts["without"]["log_likelihood"] == round(without.learned.log_likelihood, 4)
    assert facts["with"]["loss"] != facts["without"]["loss"]
    assert "mwcl" not in plain.facts and plain.scheduler.fingerprint != fitted.scheduler.fingerprint


def test_hidden_states_are_scaled_by_their_length_in_training() -> None:
    hidden = torch.randn(50, 2, 7, generator=torch.Generator().manual_seed(0)).half()
    training = torch.arange(50) < 30
    found = normalised(hidden, training)
    assert float(found[training].square().sum(dim=2).mean()) == pytest.approx(1.0, abs=1e-4)
    torch.testing.assert_close(normalised((4.0 * hidden).half(), training), found, atol=1e-3, rtol=1e-3)
    louder = hidden.clone()
    louder[~training] *= 3
    assert torch.equal(normalised(louder, training)[training], found[training])


def test_too_little_to_fit_on(tiny_llava: LlavaModel, train: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--limit"):
        fit(tiny_llava, train, SUITE, tmp_path, replace(PLAN, limit=1))
    broken = replace(train, samples=tuple(replace(each, fault="x") for each in train.samples[:5]))
    with pytest.raises(DataError, match="no sample to fit on"):
        fit(tiny_llava, broken, SUITE, tmp_path, PLAN)


def test_right_answers(train: Dataset) -> None:
    assert right_answer(replace(train.samples[0], answers=("a", "b", "b"))) == "b"
    assert right_answer(replace(train.samples[0], answers=("b", "a"))) == "b"


def test_the_scheduler_in_use_sees_what_it_was_fitted_on(
    folder: Path, tiny_llava: LlavaModel, tiny_folder: Path, noise_pictures: list[Any]
) -> None:
    """Shares computed by hand from the evidence are those whose mean point is recorded."""
    model = Zoo().load(parse(f"x={tiny_folder},fusion=dms,scheduler={folder}"))
    assert isinstance(model, MixedModel)
    prompts = [Prompt("what color is the circle?"), Prompt("is there a red shape?")]
    state = model.encode(noise_pictures)
    evidence = model.evidence(state, [0, 1], prompts)
    shares = model.scheduler.mixture(evidence)
    answers = model.answer(state, [0, 1], prompts)
    assert answers.weights is not None
    expected = shares @ CORNERS_AND_UNIFORM.tensor
    torch.testing.assert_close(torch.from_numpy(answers.weights), expected, atol=1e-5, rtol=1e-4)
    assert mix(shares, evidence.probabilities).shape == (2, 13)


@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_blip2_is_fitted_alike(
    tiny_blip2_folder: Callable[[str], Path],
    train: Dataset,
    noise_pictures: list[Any],
    tmp_path: Path,
    kind: str,
) -> None:
    spec = parse(f"x={tiny_blip2_folder(kind)}")
    fit(Zoo().adapter(spec), train, SUITE, tmp_path, replace(PLAN, limit=200))
    model = Zoo().load(parse(f"x={tiny_blip2_folder(kind)},fusion=dms,scheduler={tmp_path}"))
    prompts = [Prompt("what color is the circle?"), Prompt("no", has_image=False)]
    answers = model.answer(model.encode(noise_pictures), [0, 1], prompts)
    assert answers.weights is not None
    assert 0 < answers.weights[0, 0] < 1 and answers.weights[1].tolist() == [0, 1]


def test_a_scheduler_of_other_answers_is_refused(folder: Path, tiny_folder: Path, train: Dataset) -> None:
    """Its evidence would be measured over outcomes that are not those of the questions."""
    spec = parse(f"x={tiny_folder},fusion=dms,scheduler={folder}")
    assert Zoo(answer_space=train.answer_space).load(spec)
    assert Zoo(answer_space=train.answer_space[:3]).load(spec)
    with pytest.raises(ModelError, match="was fitted on other answers: 'what' is not among them") as caught:
        Zoo(answer_space=(*train.answer_space, "what")).load(spec)
    assert "\n" not in str(caught.value)


def test_what_is_measured_was_neither_fitted_nor_stopped_on(
    tiny_llava: LlavaModel, train: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[str]] = {}
    fit_learned, figures = fusion_fitting.fit_learned, validation.figures

    def fitted(*given: Any, **named: Any) -> Any:
        seen["fitted"] = set(named["groups"])
        assert len(named["groups"]) == len(given[0]) == len(given[1]) == len(named["held_out"])
        return fit_learned(*given, **named)

    def measured(*given: Any) -> Any:
        found, rows = given[1], given[2]
        seen["measured"] = {g for g, in_it in zip(found.groups, rows.tolist(), strict=True) if in_it}
        return figures(*given)

    monkeypatch.setattr(fitting, "fit_learned", fitted)
    monkeypatch.setattr(fitting, "figures", measured)
    fit(tiny_llava, train, SUITE, tmp_path, replace(PLAN, limit=200))
    assert seen["measured"] and not seen["measured"] & seen["fitted"]


@pytest.mark.parametrize("where", ["log_likelihood", "image", "text", "probabilities", "hidden"])
def test_numbers_that_are_not_finite_are_named(
    tiny_llava: LlavaModel, train: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """As float16 may give them."""
    read = collect.Collector._part

    def broken(self: Any, some: Any) -> Any:
        tensors, *rest = read(self, some)
        tensors[where] = tensors[where].clone()
        tensors[where][0] = torch.nan
        return (tensors, *rest)

    monkeypatch.setattr(collect.Collector, "_part", broken)
    with pytest.raises(ModelError, match="not finite: try dtype=float32"):
        fit(tiny_llava, train, SUITE, tmp_path, replace(PLAN, limit=100, mwcl=float(where == "hidden")))


def test_clean_pictures_are_as_typical_in_fitting_as_in_use() -> None:
    """Measured by a fit that holds them, 320 clean training rows looked two deviations nearer than others."""
    count = 600
    features = torch.randn(count, 96, generator=torch.Generator().manual_seed(0))
    groups = tuple(f"g{row}" for row in range(count))
    found = collect.Collected(
        evidence=Evidence(torch.ones(count, 3, 1), torch.zeros(count, 3), torch.zeros(count)),
        image=features,
        text=features.flip(0),
        log_likelihood=torch.zeros(count, 3),
        right=torch.ones(count, 1, dtype=torch.bool),
        groups=groups,
        conditions=("clean",) * count,
    )
    training = torch.arange(count) < 320
    whole, distances = fitting.out_of_fold(found, training, seed=0)
    apart = (distances[training].mean(dim=0) - distances[~training].mean(dim=0)).abs()
    assert apart.max() < 0.05
    again = Typicality.fit(features[training])
    assert whole[0].fingerprint == again.fingerprint
    assert (again.distance(features[training])[:, 1].mean() - distances[~training, 0, 1].mean()).abs() > 0.1
    assert torch.equal(distances[~training, 0], again.distance(features[~training])), "others as in use"
    with pytest.raises(DataError, match="take more with --limit"):
        fitting.out_of_fold(found, torch.arange(count) < 1, seed=0)
