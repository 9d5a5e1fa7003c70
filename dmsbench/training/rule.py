"""Chooses the rule's α and β on validation images: the same corruptions as a suite's, other pictures.

Every row is answered once at each point of a line of image weights; a rule then costs a look-up, so that
the whole grid of rules is compared on exactly the same rows. The test split is never read.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dmsbench.data.base import Dataset
from dmsbench.data.easy_vqa import load
from dmsbench.fusion.schedulers import RuleScheduler
from dmsbench.fusion.signals import Signals
from dmsbench.models.base import Image, Prompt
from dmsbench.models.llava import LlavaModel
from dmsbench.models.scheduled import ScheduledModel
from dmsbench.models.zoo import SCHEDULER_FILE
from dmsbench.runner.plan import batches
from dmsbench.runner.views import ABSENT_HASH, Views
from dmsbench.suite import Suite, load_suite
from dmsbench.tasks.vqa import exact_match

ALPHAS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
BETAS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
#: Image weights at which every row is answered.
LINE = np.linspace(0.0, 1.0, 21)
SEVERITIES = (1, 3, 5)
#: Of the corruptions on validation; no suite uses it.
SEED = 90210
BATCH = 256


@dataclass(frozen=True, slots=True)
class Response:
    """Scores (rows, points of LINE), the signals of each row and the condition that it belongs to."""

    scores: npt.NDArray[np.float64]
    signals: Signals
    condition: npt.NDArray[np.int64]

    def accuracy(self, image_weight: npt.NDArray[np.float64]) -> float:
        """Mean over conditions of the mean score at the points nearest to the weights (rows,)."""
        nearest = np.abs(image_weight[:, None] - LINE[None, :]).argmin(axis=1)
        score = self.scores[np.arange(len(nearest)), nearest]
        cells = [score[self.condition == cell].mean() for cell in np.unique(self.condition)]
        return float(np.mean(cells))


def choose(checkpoint: Path, samples: int = 500, log: Callable[[str], None] = print) -> dict[str, Any]:
    """Finds the best rule on validation and writes it into the checkpoint's folder; returns what it wrote.

    Best is the highest mean over clean and corrupted conditions; of equal rules the gentler one. Rules
    without confidence (α = 0, static fusion among them) are no DMS and stand beside it for comparison only.
    """
    dataset = load("validation")
    model = LlavaModel(checkpoint)
    scheduled = ScheduledModel(model, RuleScheduler(0.0, 0.0), answer_space=dataset.answer_space)
    suite = load_suite("vqa-corrupt").changed(severities=SEVERITIES)
    response = _respond(scheduled, model, dataset, suite, samples, log)
    static = response.accuracy(np.full(len(response.condition), 0.5))
    found = {}
    for alpha, beta in itertools.product(ALPHAS, BETAS):
        weights = RuleScheduler(alpha, beta).weights(response.signals)
        found[alpha, beta] = response.accuracy(weights[:, 0].double().numpy())
    eligible = {rule: score for rule, score in found.items() if rule[0] > 0}
    best = min(eligible, key=lambda rule: (-eligible[rule], sum(rule), rule))
    fixed = {float(point): response.accuracy(np.full(len(response.condition), point)) for point in LINE}
    best_point = max(fixed, key=lambda point: fixed[point])
    result = {
        "scheduler": "rule",
        "alpha": best[0],
        "beta": best[1],
        "chosen_on": {
            "dataset": "easy_vqa",
            "split": "validation",
            "fingerprint": dataset.fingerprint,
            "samples": samples,
            "corruptions": list(suite.corruption_names),
            "severities": list(SEVERITIES),
            "profile": suite.profile,
            "seed": SEED,
        },
        "validation_mean": {
            "rule": round(found[best], 4),
            "static": round(static, 4),
            "best_constant_image_weight": round(best_point, 2),
            "best_constant": round(max(fixed.values()), 4),
        },
        "weights_hash": model.weights_hash,
    }
    (checkpoint / SCHEDULER_FILE).write_text(json.dumps(result, indent=2) + "\n")
    for (alpha, beta), score in sorted(found.items(), key=lambda entry: -entry[1])[:5]:
        log(f"alpha {alpha:g}, beta {beta:g}: {score:.4f}")
    log(f"static {static:.4f}; best constant {max(fixed.values()):.4f}")
    return result


def _respond(
    scheduled: ScheduledModel,
    model: LlavaModel,
    dataset: Dataset,
    suite: Suite,
    samples: int,
    log: Callable[[str], None],
) -> Response:
    views = Views(SEED, dataset, suite.profile, suite.applied)
    scores, signals, cells = [], [], []
    for number, condition in enumerate(suite.conditions):
        pictures: list[Image] = []
        rows: list[int] = []
        prompts: list[Prompt] = []
        answers: list[tuple[str, ...]] = []
        place: dict[str, int] = {}
        for sample in dataset.samples[:samples]:
            image, text = views.image(sample.group, condition.image), views.text(sample, condition.text)
            if image.hash == ABSENT_HASH or image.pixels is None or not text.present:
                continue  # one modality only: there is nothing to schedule
            if image.hash not in place:
                place[image.hash] = len(pictures)
                pictures.append(image.pixels)
            rows.append(place[image.hash])
            prompts.append(Prompt(text.question))
            answers.append(sample.answers)
        if not rows:
            continue
        state = scheduled.encode(pictures)
        for batch in batches(range(len(rows)), BATCH):
            where, asked = [rows[i] for i in batch], [prompts[i] for i in batch]
            signals.append(scheduled.signals(state, where, asked))
            scores.append(_line(model, state, where, asked, [answers[i] for i in batch]))
            cells += [number] * len(batch)
        log(f"{number + 1}/{len(suite.conditions)} {condition}")
    joined = Signals(
        torch.cat([part.confidence for part in signals]),
        torch.cat([part.uncertainty for part in signals]),
        torch.cat([part.consistency for part in signals]),
    )
    return Response(np.concatenate(scores), joined, np.array(cells))


def _line(
    model: LlavaModel,
    state: Any,
    rows: Sequence[int],
    prompts: Sequence[Prompt],
    answers: Sequence[tuple[str, ...]],
) -> npt.NDArray[np.float64]:
    columns = []
    for point in LINE:
        weights = torch.tensor([[point, 1.0 - point]]).float().expand(len(rows), -1)
        texts = model.answer(state, rows, prompts, weights).texts
        columns.append([exact_match(text, known) for text, known in zip(texts, answers, strict=True)])
    return np.stack([np.array(column) for column in columns], axis=1)
