"""The recipe of the scenes checkpoints: scenes without end, a context each, modalities really absent."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from dmsbench.data.base import Sample
from dmsbench.data.scenes.language import KINDS
from dmsbench.data.scenes.render import render
from dmsbench.errors import DataError
from dmsbench.files import write_atomically
from dmsbench.training.alignment import align
from dmsbench.training.architecture import build_tokenizer
from dmsbench.training.damage import Damage
from dmsbench.training.optimiser import Optimiser, Rates
from dmsbench.training.packing import Turn, cut, tokenise
from dmsbench.training.pictures import to_pixel_values
from dmsbench.training.prefix import behind, hidden_of
from dmsbench.training.reading import read
from dmsbench.training.saving import weights_hash
from dmsbench.training.scene_accuracy import accuracy
from dmsbench.training.scene_recipe import Recipe
from dmsbench.training.scene_stream import Source
from dmsbench.training.trainee import TRAINEES, Blip2Trainee, LlavaTrainee, Trainee

READER = "scenes-reader"
#: In the checkpoint's folder while it is being trained.
STATE_FILE = "training-state.pt"
#: Steps from one state file and line of the log to the next.
KEEP_EVERY = 250


class Trainer:
    """Trains the whole model on questions behind their pictures, one step at a time."""

    def __init__(
        self,
        trainee: Trainee,
        source: Source,
        recipe: Recipe,
    ) -> None:
        self.trainee, self.source, self.recipe = trainee, source, recipe
        self.model = trainee.model
        self.damage = Damage(source, recipe.damaged_share if recipe.regime == "augmented" else 0.0)
        named = list(self.model.named_parameters())
        tower = [(name, parameter) for name, parameter in named if name.startswith(trainee.tuned)]
        language = [(name, parameter) for name, parameter in named if not name.startswith(trainee.tuned)]
        self.optimiser = Optimiser(
            [
                (language, recipe.language_rates),
                (tower, Rates(recipe.tuned_tower_rate, recipe.tuned_tower_rate)),
            ],
            weight_decay=recipe.weight_decay,
            steps=recipe.steps,
            warm_up=recipe.warm_up_steps,
        )

    def step(self) -> float:
        """One update; returns its loss."""
        recipe, rng = self.recipe, self.source.rng
        scenes = self.source.scenes(recipe.pictures_per_step)
        count = recipe.contexts_per_picture * recipe.questions_per_context
        pixels, samples = self.damage(
            [render(scene) for scene in scenes],
            [
                self.source.samples(scene, count, recipe.questions_per_context, recipe.told_share)
                for scene in scenes
            ],
        )
        fresh = rng.random() < recipe.subword_share
        turns = [self._turns(asked, fresh) for asked in samples]
        shape = (len(turns), recipe.contexts_per_picture)
        draw = rng.random(shape)
        absent = np.where(draw < recipe.absent_share, 1, np.where(draw < 2 * recipe.absent_share, 2, 0))
        batch = behind(
            self.trainee,
            turns,
            absent.astype(np.int64),
            rng.random(shape) < 0.5,
            recipe.questions_per_context,
        )
        self.model.train()
        hidden = hidden_of(self.trainee, batch, to_pixel_values(np.stack(pixels)))
        rows = functional.dropout(hidden[batch.places], recipe.head_dropout)
        loss = functional.cross_entropy(self.trainee.head(rows), batch.targets)
        if len(batch.said_places):
            said = self.trainee.head(hidden[batch.said_places])
            loss = loss + recipe.caption_share * functional.cross_entropy(said, batch.said_targets)
        self.optimiser.step(loss)
        return loss.item()

    def keep(self, path: Path, done: int) -> None:
        """Writes all that the next step depends on."""
        content = {
            "recipe": json.dumps(self.recipe.as_dict()),
            "done": done,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "torch": torch.get_rng_state(),
            "numpy": json.dumps(self.source.rng.bit_generator.state, default=lambda array: array.tolist()),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        torch.save(content, buffer)
        write_atomically(path, buffer.getvalue())

    def resume(self, path: Path) -> int:
        """Goes on from what ``keep`` wrote; returns the steps done. DataError where the recipe is another."""
        content = torch.load(path, weights_only=True)
        if json.loads(content["recipe"]) != self.recipe.as_dict():
            raise DataError(f"{path} belongs to another recipe: remove it or choose another folder")
        self.model.load_state_dict(content["model"])
        self.optimiser.load_state_dict(content["optimiser"])
        torch.set_rng_state(content["torch"])
        state = json.loads(content["numpy"])
        for key, value in state["state"].items():
            state["state"][key] = np.array(value, dtype=np.uint64)
        state["buffer"] = np.array(state["buffer"], dtype=np.uint64)
        self.source.rng.bit_generator.state = state
        done: int = content["done"]
        return done

    def _turns(self, samples: Sequence[Sample], fresh: bool) -> list[Turn]:
        """The samples as tokens; ``fresh``: each context in byte pairs of its own."""
        share, rng = self.recipe.subword_cuts, self.source.rng
        pieces = {text: cut(text, share, rng) for text in dict.fromkeys(s.evidence for s in samples)}
        of = self.trainee
        return [
            tokenise(of.tokenizer, s, pieces[s.evidence] if fresh else None, of.template) for s in samples
        ]


def train(
    recipe: Recipe, out: Path, log: Callable[[str], None] = print, start: Path | None = None
) -> dict[str, float]:
    """Trains the checkpoint and saves it (fp16) to ``out``; returns its validation accuracies.

    Stage 0 reads contexts, stage 1 aligns pictures with words, stage 2 asks with both. ``start``: a folder
    to go on from, of stage 0 (``train_reader``) or a finished checkpoint, which then gets ``recipe.steps``
    steps more under the recipe's regime. No scene of the validation or test split is drawn in training. The
    same recipe on the same library versions and thread count gives the same weights, stopped and started
    again or not.
    """
    timed = _timed(log)
    if (weights_hash(start) if start is not None else "") != recipe.start:
        raise DataError(f"the recipe starts from weights {recipe.start or '(none)'}, not from {start}")
    state = out / STATE_FILE
    resumed = state.is_file()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        trainee, source, blind = _start(recipe, start, timed, finished=resumed)
        if blind and not resumed:
            align(
                trainee,
                source,
                steps=recipe.tower_steps,
                pictures=recipe.pictures_per_step,
                rates=recipe.language_rates,
                weight_decay=recipe.weight_decay,
                log=timed,
            )
        trainer = Trainer(trainee, source, recipe)
        first = 0
        if resumed:
            first = trainer.resume(state)
            timed(f"goes on after step {first}")
        losses: list[float] = []
        for step in range(first, recipe.steps):
            losses.append(trainer.step())
            if step % KEEP_EVERY == KEEP_EVERY - 1 or step == recipe.steps - 1:
                trainer.keep(state, step + 1)
                shares = ", ".join(
                    f"{name} {share:.4f}"
                    for name, share in accuracy(trainee, recipe.level, pictures=100).items()
                )
                timed(f"step {step + 1}/{recipe.steps}: loss {np.mean(losses[-KEEP_EVERY:]):.4f}; {shares}")
    found = accuracy(trainee, recipe.level, pictures=1000)
    facts = {
        "name": trainee.name,
        "recipe": recipe.as_dict(),
        "data": {"name": "scenes", "split": "train", "level": recipe.level},
        "validation_accuracy": {name: round(share, 4) for name, share in found.items()},
    }
    trainee.save(out, facts)
    state.unlink(missing_ok=True)
    return found


def train_reader(recipe: Recipe, out: Path, log: Callable[[str], None] = print) -> None:
    """Stage 0 alone, saved to ``out``: a language model that several checkpoints can start from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        reader, _ = _reader(recipe, _timed(log))
    reader.save(out, {"name": READER, "recipe": recipe.as_dict()})


def _start(
    recipe: Recipe, start: Path | None, log: Callable[[str], None], *, finished: bool
) -> tuple[Trainee, Source, bool]:
    """What stage 1 or 2 goes on with: model, scenes, and whether it has never seen a picture.

    ``finished``: its weights are kept elsewhere, so that stage 0 need not be run.
    """
    if start is None:
        reader, source = _reader(recipe, log, finished=finished)
    else:
        # Another stream than that of stage 0.
        source = _source(recipe, 1)
        if not _is_reader(start):
            return _checkpoint(recipe, start), source, False
        reader = LlavaTrainee.load(start)
        # A tower of its own for every seed: the reader's is the one it was initialised with.
        reader.fresh_vision(recipe.seed)
    if recipe.family == "llava":
        return reader, source, True
    return Blip2Trainee.from_reader(reader, recipe.seed), source, True


def _checkpoint(recipe: Recipe, folder: Path) -> Trainee:
    try:
        family = json.loads((folder / "config.json").read_text())["model_type"]
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(
            f"{folder} holds no checkpoint to go on from: its config.json cannot be read"
        ) from None
    if family != recipe.family:
        raise DataError(f"{folder} is a checkpoint of type {family}, the recipe trains {recipe.family}")
    return TRAINEES[family].load(folder)


def _reader(
    recipe: Recipe, log: Callable[[str], None], *, finished: bool = False
) -> tuple[LlavaTrainee, Source]:
    """The model after stage 0, and the scenes to go on with; ``finished``: its weights are kept."""
    source = _source(recipe, 0)
    words = [sample for scene in source.scenes(3000) for sample in source.samples(scene, len(KINDS))]
    tokenizer = build_tokenizer(
        f"USER: \n{sample.context}\n{sample.question} ASSISTANT: {sample.answers[0]}" for sample in words
    )
    reader = LlavaTrainee.untrained(tokenizer, recipe.seed)
    if not finished:
        read(
            reader,
            source,
            steps=recipe.reading_steps,
            contexts=recipe.pictures_per_step,
            questions=recipe.contexts_per_picture * recipe.questions_per_context,
            told_share=recipe.told_share,
            most_things=recipe.most_things,
            rates=recipe.language_rates,
            weight_decay=recipe.weight_decay,
            log=log,
        )
        source.most = None
    return reader, source


def _source(recipe: Recipe, stage: int) -> Source:
    return Source(
        "train", recipe.level, np.random.Generator(np.random.Philox(key=[recipe.seed, 0x5CE + stage]))
    )


def _is_reader(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / "training.json").read_text())["name"] == READER)
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"{folder} was not made by this recipe: its training.json does not say so") from None


def _timed(log: Callable[[str], None]) -> Callable[[str], None]:
    began = time.monotonic()
    return lambda line: log(f"[{time.monotonic() - began:6.0f} s] {line}")
