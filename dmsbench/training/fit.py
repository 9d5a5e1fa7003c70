"""``dmsbench fit``: a learned scheduler for a frozen checkpoint, from simulated corruption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

import corruptions
from dmsbench import __version__
from dmsbench.data import Dataset
from dmsbench.errors import DataError, ModelError
from dmsbench.fusion.features import ANSWERS, GROUPS, PAPER
from dmsbench.fusion.fitting import FitSettings, fit_learned
from dmsbench.fusion.learned import LearnedScheduler
from dmsbench.fusion.objective import split_by_group
from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Evidence, chosen
from dmsbench.fusion.probe import CORNERS, Probes
from dmsbench.fusion.typicality import Typicality
from dmsbench.models.evidence import MonteCarlo, PointReader
from dmsbench.models.fitted import FittedFolder
from dmsbench.models.fitted_rivals import RIVALS_FILE
from dmsbench.models.mixed import typicality_of
from dmsbench.models.probed import check_probable
from dmsbench.runner.views import Views
from dmsbench.suite import Suite
from dmsbench.training.collect import Collected, Collector, Fittable, picked
from dmsbench.training.consistency import compared, normalised
from dmsbench.training.each_token import outcome_tokens
from dmsbench.training.folds import dealt
from dmsbench.training.probing import ProbeSettings, Probing, probed, text_signatures
from dmsbench.training.rivals import Split, fit_rivals, rival_figures
from dmsbench.training.simulated import DRAWS, SEVERITIES, draws, simulating, taken
from dmsbench.training.validation import Figures, figures, unimodal

#: What a scheduler may look at.
SIGNALS = {"paper": PAPER, "answers": ANSWERS, "all": GROUPS}
#: Samples of the training split, unless told otherwise.
LIMIT = 16_000
#: The same of captions, each of which gives several rows, and of items to be searched.
CAPTIONS, ITEMS = 4_000, 3_000
#: The share of images that nothing is fitted to, and the part of it that does not even stop the fit: the
#: figures come from there, since the best of many epochs looks better than it is where it was chosen.
HELD_OUT, MEASURED = 0.2, 0.1
#: Parts of the training images, each measured by the typicality of the others.
FOLDS = 5
#: Answers whose first tokens are the outcomes where the answer space is open.
COMMONEST = 512
#: Where the evidence is kept, in the scheduler's folder.
EVIDENCE_FOLDER = "evidence"


@dataclass(frozen=True, slots=True)
class FitPlan:
    """What a scheduler is fitted on: families of corruption, how many samples, which signals, the seed."""

    families: tuple[str, ...]
    held_out: tuple[str, ...] = ()
    limit: int | None = LIMIT
    signals: str = "all"
    seed: int = 0
    times: int = DRAWS
    source: str = "corner"
    """Where signals come from, one of ``SOURCES``."""
    each_token: bool = False
    """Whether each token of an answer gets shares of its own, as captions need it, not the answer as one."""
    mwcl: float = 0.0
    """λ of the weight consistency loss, on weights with their gradient; see ``training.consistency``."""

    def __post_init__(self) -> None:
        if self.mwcl and self.source == "probe":
            raise ValueError(
                "the consistency loss is of mixed weights: a scheduler on probes chooses one point"
            )
        if self.each_token and self.source == "probe":
            raise ValueError("probes see what is asked, not the tokens of an answer: use corners")


@dataclass(frozen=True, slots=True)
class Progress:
    """Draws done and in all, rows so far; draws are counted a part at a time."""

    done: int
    total: int
    rows: int


def fit(
    adapter: Fittable,
    dataset: Dataset,
    suite: Suite,
    out: Path,
    plan: FitPlan,
    *,
    batch_size: int = 256,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> tuple[FittedFolder, Figures]:
    """Fits a scheduler on ``dataset`` (a training split) and saves it to ``out``; the checkpoint is frozen.

    Evidence is kept in ``out``, so that a fit that was stopped goes on where it was, and another choice of
    signals costs seconds. Equal data, checkpoint and plan give equal schedulers.

    Raises DataError where too few samples are left to fit on, ModelError where the checkpoint's numbers are
    not finite, or where probes are wanted of a checkpoint that has none.
    """
    if plan.source == "probe":
        check_probable(adapter)
    samples = taken(dataset, plan.limit)
    simulated = simulating(suite, plan.families)
    outcomes = _outcomes(adapter, dataset, each_token=plan.each_token)
    monte_carlo = MonteCarlo()
    reader = PointReader(adapter, CORNERS_AND_UNIFORM, outcomes, monte_carlo)
    views = Views(plan.seed, dataset, simulated.profile, simulated.applied)
    identity = {
        "dataset": dataset.fingerprint,
        "seed": plan.seed,
        "profile": suite.profile,
        "settings": simulated.differing(),
    }
    collector = Collector(
        adapter,
        reader,
        views,
        out / EVIDENCE_FOLDER,
        identity,
        batch_size=batch_size,
        hidden=plan.mwcl > 0,
        tokens=plan.source == "probe",
        each_token=plan.each_token,
    )
    drawn = draws(samples, plan.families, plan.seed, plan.times, simulated.unprotected)
    done = rows = 0

    def count(parts: int, found: int) -> None:
        nonlocal done, rows
        done, rows = done + parts, rows + found
        on_progress(Progress(done, len(drawn), rows))

    found = collector.collect(drawn, count) if drawn else None
    if found is None:
        raise DataError(f"data set '{dataset.name}' has no sample to fit on")
    features = [found.evidence.probabilities, found.image, found.text]
    if found.hidden is not None:
        features.append(found.hidden)
    if found.log_likelihood.isnan().any() or not all(torch.isfinite(each).all() for each in features):
        raise ModelError("the checkpoint's numbers are not finite: try dtype=float32")
    return fitted_to(adapter, found, dataset, suite, out, plan, outcomes, monte_carlo)


def fitted_to(
    adapter: Any,
    found: Collected,
    dataset: Dataset,
    suite: Suite,
    out: Path,
    plan: FitPlan,
    outcomes: tuple[int, ...] | None,
    monte_carlo: MonteCarlo,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[FittedFolder, Figures]:
    """Fits scheduler and rivals to rows that were collected, and saves them; ``more`` goes into the card."""
    try:
        # By one hash of the image: the smaller share lies within the larger.
        held_out, measured = (
            split_by_group(found.groups, share, plan.seed) for share in (HELD_OUT, MEASURED)
        )
        seen = ~measured
        if not bool((held_out & seen).any()):
            raise ValueError("no image is left to stop the fit on")
    except ValueError as error:
        raise DataError(f"data set '{dataset.name}': {error}: take more with --limit") from None
    features, evidence, typicality, probes = SIGNALS[plan.signals], found.evidence, None, None
    if plan.source == "probe":
        probes, evidence, found = _probed(adapter, found, ~held_out, held_out & seen, plan.seed)
    if "typicality" in features:
        typicality, distances = out_of_fold(found, ~held_out, plan.seed)
        evidence = replace(evidence, typicality=distances)
    embeddings = None if found.hidden is None else normalised(found.hidden, ~held_out)

    def learn(mwcl: float) -> LearnedScheduler:
        return fit_learned(
            evidence.rows(seen),
            found.log_likelihood[seen],
            points=CORNERS_AND_UNIFORM,
            features=features,
            conditions=picked(found.families, seen),
            groups=picked(found.groups, seen),
            held_out=held_out[seen],
            embeddings=None if embeddings is None else embeddings[seen],
            settings=FitSettings(seed=plan.seed, mwcl=mwcl),
            mode="mixture" if probes is None else "choice",
            seen=None if probes is None else CORNERS,
        ).scheduler

    learned, points = learn(plan.mwcl), CORNERS_AND_UNIFORM
    shares = learned.mixture(evidence)
    if probes is not None:
        shares = chosen(shares)
    reached = figures(shares, found, measured, points)
    facts: dict[str, Any] = {
        "version": __version__,
        "suite": suite.name,
        "task": suite.task,
        "data": {
            "name": dataset.name,
            "split": dataset.split,
            "fingerprint": dataset.fingerprint,
            "limit": plan.limit,
            "rows": len(found),
            "images": len(set(found.groups)),
        },
        "corruptions": {name: corruptions.version_of(name) for name in plan.families},
        "severities": list(SEVERITIES),
        "held_out": list(plan.held_out),
        "profile": suite.profile,
        "protect": list(suite.protect),
        "draws": plan.times,
        "seed": plan.seed,
        "signals": plan.signals,
        **({"steps": "each"} if plan.each_token else {}),
        "validation": reached.to_dict(),
        **more,
    }
    rivals = None
    if probes is None:
        split = Split(~held_out, held_out & seen, measured)
        rivals = fit_rivals(found, evidence, shares, reached.constant_shares, split, points, plan.seed)
        facts["rivals"] = rival_figures(rivals, found, evidence, split, points)
    else:
        monte_carlo = MonteCarlo(probes.passes, probes.rate, probes.seed)
        facts["unimodal"] = unimodal(evidence, found, measured)
    if embeddings is not None:
        without = learn(0.0).mixture(evidence)
        facts["mwcl"] = compared(plan.mwcl, shares, without, embeddings, evidence, found, measured, points)
    folder = FittedFolder(
        learned, adapter.weights_hash, outcomes, monte_carlo, typicality, facts, probes, adapter.config_hash
    )
    if rivals is None:
        (out / RIVALS_FILE).unlink(missing_ok=True)
    else:
        rivals.save(out, learned.fingerprint)
    folder.save(out)
    return folder, reached


def _probed(
    adapter: Fittable, found: Collected, training: torch.Tensor, stopping: torch.Tensor, seed: int
) -> tuple[Probes, Evidence, Collected]:
    """Probes, their evidence of all rows, and the rows with the text features of their typicality."""
    if found.tokens is None:
        raise ValueError("probes need the rows' tokens")
    probing = Probing(adapter, found.tokens, found.right)
    probes, evidence = probed(
        probing, found.evidence.consistency, found.groups, training, stopping, ProbeSettings(seed=seed)
    )
    return probes, evidence, replace(found, text=text_signatures(probing))


def out_of_fold(
    found: Collected, training: torch.Tensor, seed: int
) -> tuple[tuple[Typicality, Typicality], torch.Tensor]:
    """Typicality of image and text from the clean rows of ``training`` (N,), and all distances (N, 2, 2).

    A row that typicality was fitted on lies nearer to it than any other: the scheduler would learn that clean
    is nearer than clean ever is in use. So a training row is measured by what the other folds' images gave.

    Raises DataError where clean rows are too few.
    """
    clean = found.clean & training
    # Images with clean rows are dealt out first, so that two of them are enough for all folds.
    shown = set(picked(found.groups, clean))
    folds = dealt(found.groups, shown, FOLDS, seed)

    def fitted(rows: torch.Tensor) -> tuple[Typicality, Typicality]:
        if int(rows.sum()) < 2:
            raise DataError(f"{len(shown)} clean training images are too few: take more with --limit")
        return Typicality.fit(found.image[rows]), Typicality.fit(found.text[rows])

    whole = fitted(clean)
    distances = typicality_of(whole, (found.image, found.text))
    for fold in range(FOLDS):
        inside = training & (folds == fold)
        if inside.any():
            features = (found.image[inside], found.text[inside])
            distances[inside] = typicality_of(fitted(clean & (folds != fold)), features)
    return whole, distances


def _outcomes(adapter: Fittable, dataset: Dataset, *, each_token: bool) -> tuple[int, ...] | None:
    """The first tokens of the answer space, or of the commonest answers where it is open.

    Where each token is weighed, all tokens of the references.
    """
    answers: Sequence[str] = dataset.answer_space
    if each_token:
        texts = answers or [answer for sample in dataset.samples for answer in sample.answers]
        return outcome_tokens([adapter.answer_tokens(text) for text in texts], adapter.ending) or None
    if not answers:
        counts = Counter(answer for sample in dataset.samples for answer in sample.answers)
        answers = [answer for answer, _ in counts.most_common(COMMONEST) if adapter.answer_tokens(answer)]
    return adapter.first_tokens(answers) or None


def rows_a_batch(adapter: Any) -> int:
    """256 for a small checkpoint, less the larger it is: three prompts a row, where a run has one."""
    model = getattr(adapter, "model", None)
    size = sum(parameter.numel() for parameter in model.parameters()) if model is not None else 0
    return 256 if size < 1e8 else 32 if size < 3e9 else 8
