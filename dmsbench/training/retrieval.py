"""The recipes of ``tiny-blip2-retrieval`` and ``tiny-clip-scenes``: scenes, titles and captions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from dmsbench.data.scenes.render import render
from dmsbench.errors import DataError
from dmsbench.training.architecture import WIDTH
from dmsbench.training.optimiser import Optimiser, Rates
from dmsbench.training.pictures import to_pixel_values
from dmsbench.training.retrieval_stream import Texts, Told, told
from dmsbench.training.retrieval_trainee import TRAINEES, Blip2RetrievalTrainee, ClipTrainee
from dmsbench.training.saving import weights_hash
from dmsbench.training.scene_stream import Source, place_labels

FAMILIES = tuple(TRAINEES)
#: The embedded checkpoint that each begins with.
STARTS = MappingProxyType({"blip-2": "tiny-blip2-scenes", "clip": "tiny-llava-scenes"})
#: Steps from one line of the log to the next.
SAY_EVERY = 100


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, beside the code."""

    #: blip-2 or clip.
    family: str = "blip-2"
    seed: int = 0
    level: int = 2
    #: The hash of the checkpoint whose tower (and Q-Former) training starts from.
    start: str = ""
    steps: int = 2000
    pictures_per_step: int = 48
    matrix_rate: float = 2e-3
    rate: float = 2e-3
    tuned_tower_rate: float = 3e-4
    weight_decay: float = 0.05
    warm_up_steps: int = 100
    #: Share of pairs judged without the picture, and of pairs judged without the title.
    absent_share: float = 0.33
    #: As in the scenes recipe: share of texts in other byte pairs, and of places cut there.
    subword_share: float = 0.25
    subword_cuts: float = 0.1
    #: Share of the steps whose wrong pairs are of any two scenes: those that are nearly right teach nothing
    #: to a head that cannot yet tell scenes apart.
    easy_share: float = 0.25
    #: Weight of the loss of telling at each place whether item and text agree.
    places_share: float = 3.0

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise DataError(f"no recipe for the family '{self.family}': use one of {', '.join(FAMILIES)}")


class Trainer:
    """One step at a time; the losses of both stages in each."""

    def __init__(self, trainee: Blip2RetrievalTrainee | ClipTrainee, recipe: Recipe) -> None:
        self.trainee, self.recipe = trainee, recipe
        self.rng = np.random.Generator(np.random.Philox(key=[recipe.seed, 0x5EA]))
        self.source = Source("train", recipe.level, self.rng)
        self.texts = Texts(trainee.tokenizer, recipe.subword_share, recipe.subword_cuts, self.rng)
        named = list(trainee.model.named_parameters())
        # Each query is told whether item and text agree at its place: whether they do everywhere is too
        # little to learn comparing from. Thrown away after training.
        self.places = torch.nn.Linear(WIDTH, 1)
        named += [(f"places.{name}", each) for name, each in self.places.named_parameters()]
        tower = [(name, each) for name, each in named if name.startswith(trainee.tuned)]
        others = [(name, each) for name, each in named if not name.startswith(trainee.tuned)]
        self.optimiser = Optimiser(
            [
                (others, Rates(recipe.matrix_rate, recipe.rate)),
                (tower, Rates(recipe.tuned_tower_rate, recipe.tuned_tower_rate)),
            ],
            weight_decay=recipe.weight_decay,
            steps=recipe.steps,
            warm_up=recipe.warm_up_steps,
        )

    def step(self) -> dict[str, float]:
        """One update; returns its losses by name."""
        recipe = self.recipe
        scenes = self.source.scenes(recipe.pictures_per_step)
        said = [told(scene, self.rng) for scene in scenes]
        pixels = to_pixel_values(np.stack([render(scene) for scene in scenes]))
        self.trainee.model.train()
        losses = self._losses(pixels, said)
        self.optimiser.step(torch.stack(list(losses.values())).sum())
        return {name: loss.item() for name, loss in losses.items()}

    def _losses(self, pixels: torch.Tensor, said: Sequence[Told]) -> dict[str, torch.Tensor]:
        count = len(said)
        titles, captions, wrong = (
            [self.texts.ids(getattr(each, part)) for each in said] for part in ("title", "caption", "wrong")
        )
        patches, pictures = self.trainee.pictures(pixels)
        rows = [self.texts.framed(ids) for ids in (*captions, *wrong, *titles)]
        vectors = self.trainee.texts(*self.texts.padded(rows))
        searched, named = vectors[: 2 * count], vectors[2 * count :]
        by_picture = self.trainee.similarities(pictures, searched)
        by_title = named @ searched.T
        scale = self.trainee.scale
        at = torch.arange(count)
        losses = {}
        # Every point of the simplex is trained alike: the picture alone, the title alone, both.
        for name, cosines in (
            ("picture", by_picture),
            ("title", by_title),
            ("both", (by_picture + by_title) / 2),
        ):
            logits = scale * cosines
            losses[name] = (
                functional.cross_entropy(logits, at) + functional.cross_entropy(logits[:, :count].T, at)
            ) / 2
        if isinstance(self.trainee, Blip2RetrievalTrainee):
            near = ((by_picture + by_title) / 2)[:, :count].detach()
            losses |= self._match(self.trainee, patches, said, (titles, captions, wrong), near)
        return losses

    def _match(
        self,
        trainee: Blip2RetrievalTrainee,
        patches: torch.Tensor,
        said: Sequence[Told],
        texts: tuple[list[list[int]], list[list[int]], list[list[int]]],
        near: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Pairs that belong together, as many with the nearly right captions, as many with others near."""
        titles, captions, wrong = texts
        count, recipe = len(said), self.recipe
        here = place_labels([each.scene for each in said])
        nearly = place_labels([each.other for each in said])
        chances = (trainee.scale * near).softmax(dim=1).double().numpy().copy()
        np.fill_diagonal(chances, 0.0)
        chances += 1e-6 * (1.0 - np.eye(count))
        other = np.array([self.rng.choice(count, p=row / row.sum()) for row in chances])
        if self.optimiser.done < recipe.easy_share * recipe.steps:
            # Everyone gets the captions of the one and the two before.
            other, two = np.roll(np.arange(count), 1), np.roll(np.arange(count), 2)
            wrong, nearly = [captions[n] for n in two], here[two]
        items = np.tile(np.arange(count), 3)
        shown = [*captions, *wrong, *(captions[n] for n in other)]
        agree = torch.from_numpy((here[items] == np.concatenate([here, nearly, here[other]])).all(axis=2))
        occupied = torch.from_numpy((here[items] + np.concatenate([here, nearly, here[other]])).any(axis=2))
        draw = self.rng.random(len(items))
        seen, named = draw >= recipe.absent_share, draw < 1 - recipe.absent_share
        rows = [
            self.texts.framed(titles[item] if has else None, text)
            for item, text, has in zip(items.tolist(), shown, named.tolist(), strict=True)
        ]
        states = trainee.states(patches[items], torch.from_numpy(seen), *self.texts.padded(rows))
        right = torch.zeros(len(items))
        right[:count] = 1.0
        # Twice as many are wrong as right.
        weight = torch.where(right > 0, 2.0, 1.0)
        judged = functional.binary_cross_entropy_with_logits(trainee.judged(states), right, weight=weight)
        placed = self.places(states)[..., 0][occupied]
        return {
            "match": judged,
            "places": self.recipe.places_share
            * functional.binary_cross_entropy_with_logits(placed, agree[occupied].float()),
        }


def train(
    recipe: Recipe,
    start: Path,
    out: Path,
    log: Callable[[str], None] = print,
    validation: int = 400,
) -> dict[str, float]:
    """Trains the checkpoint from another's tower and saves it (fp16) to ``out``; returns its validation.

    No scene of the validation or test split is drawn in training; a caption that is nearly right may be
    that of one, always as the wrong answer. The same recipe on the same library versions and thread count
    gives the same weights. ``validation``: items to search there.
    """
    if weights_hash(start) != recipe.start:
        raise DataError(f"the recipe starts from weights {recipe.start or '(none)'}, not from {start}")
    began = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        trainee = TRAINEES[recipe.family].begin(start, recipe.seed)
        trainer = Trainer(trainee, recipe)
        kept: list[dict[str, float]] = []
        for step in range(recipe.steps):
            kept.append(trainer.step())
            if (step + 1) % SAY_EVERY == 0 or step == recipe.steps - 1:
                losses = {name: float(np.mean([each[name] for each in kept])) for name in kept[0]}
                shares = ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
                log(f"{time.perf_counter() - began:6.0f} s  step {step + 1}/{recipe.steps}: {shares}")
                kept = []
    found = recalls(trainee, recipe.level, validation)
    facts: dict[str, Any] = {
        "name": trainee.name,
        "recipe": asdict(recipe),
        "data": {"name": "scenes", "split": "train", "level": recipe.level},
        "validation_recall_at_1": {name: round(share, 4) for name, share in found.items()},
    }
    trainee.save(out, facts)
    return found


@torch.no_grad()
def recalls(
    trainee: Blip2RetrievalTrainee | ClipTrainee, level: int, count: int = 400, split: str = "validation"
) -> dict[str, float]:
    """First-stage recall at 1 among ``count`` items of a split, texts to items and items to texts, by point.

    With a second stage also that of the first stage's best eight judged anew, by both modalities.
    """
    trainee.model.eval()
    rng = np.random.Generator(np.random.Philox(key=[2, 0x5EA]))
    scenes = Source(split, level, rng).scenes(count)
    said = [told(scene, rng) for scene in scenes]
    texts = Texts(trainee.tokenizer, 0.0, 0.0, rng)
    patches, pictures = trainee.pictures(to_pixel_values(np.stack([render(scene) for scene in scenes])))
    captions, titles = ([texts.ids(getattr(each, part)) for each in said] for part in ("caption", "title"))
    searched, named = (
        trainee.texts(*texts.padded([texts.framed(ids) for ids in some])) for some in (captions, titles)
    )
    by_picture, by_title = trainee.similarities(pictures, searched), named @ searched.T
    both = (by_picture + by_title) / 2
    found = {}
    for name, cosines in (("picture", by_picture), ("title", by_title), ("both", both)):
        right = cosines.diagonal()
        found[f"{name}, texts"] = float((cosines >= right[:, None]).sum(1).eq(1).double().mean())
        found[f"{name}, items"] = float((cosines >= right[None]).sum(0).eq(1).double().mean())
    if isinstance(trainee, Blip2RetrievalTrainee):
        for name, cosines in (("texts", both), ("items", both.T)):
            best = cosines.topk(min(8, count), dim=1).indices
            found[f"first stage at 8, {name}"] = float(
                (best == torch.arange(count)[:, None]).any(1).double().mean()
            )
            hits = []
            for query in range(count):
                others = best[query].tolist()
                pairs = [(query, other) if name == "texts" else (other, query) for other in others]
                rows = [texts.framed(titles[item], captions[text]) for item, text in pairs]
                odds = trainee.match(
                    patches[[item for item, _ in pairs]],
                    torch.ones(len(pairs), dtype=torch.bool),
                    *texts.padded(rows),
                )
                hits.append(others[int(odds.argmax())] == query)
            found[f"judged, {name}"] = float(np.mean(hits))
    return found
