"""The recipe of ``tiny-llava-scenes``: scenes without end, a context each, modalities really absent."""

from __future__ import annotations

import io
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from dmsbench.data.base import Sample
from dmsbench.data.scenes.language import KINDS, context, questions
from dmsbench.data.scenes.render import SIDE, box, render
from dmsbench.data.scenes.world import COLOURS, SHAPES, SIZES, SPLITS, Scene, draw_scene
from dmsbench.errors import DataError
from dmsbench.files import write_atomically
from dmsbench.training.architecture import PATCH_SIZE, build_model, build_tokenizer
from dmsbench.training.packing import PREFIX_TEXT, Turn, cut, tokenise
from dmsbench.training.pictures import to_pixel_values
from dmsbench.training.prefix import Rows, hidden_of, in_rows
from dmsbench.training.saving import save
from dmsbench.training.tiny_llava import IMAGE_TOKENS
from dmsbench.training.tower import patches_of

NAME = "tiny-llava-scenes"
#: In the checkpoint's folder while it is being trained.
STATE_FILE = "training-state.pt"
#: Steps from one state file and line of the log to the next.
KEEP_EVERY = 250
#: What a patch may show: nothing, or one of the classes.
_CLASSES = (SHAPES, COLOURS, SIZES)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, beside the code."""

    seed: int = 0
    level: int = 1
    tower_steps: int = 1500
    steps: int = 6000
    pictures_per_step: int = 32
    questions_per_picture: int = 8
    tower_rate: float = 2e-3
    language_rate: float = 2e-3
    tuned_tower_rate: float = 3e-4
    weight_decay: float = 0.05
    warm_up_steps: int = 150
    #: Share of turns without their image, and of turns without their context.
    absent_share: float = 0.3
    head_dropout: float = 0.1
    #: Weight of the loss of saying the context from the picture, as in captioning: answers alone teach
    #: to look too slowly.
    caption_share: float = 0.5
    #: As in ``tiny_llava``: share of batches with other byte pairs, and of places cut there.
    subword_share: float = 0.25
    subword_cuts: float = 0.1

    def as_dict(self) -> dict[str, float | int]:
        return asdict(self)


class Source:
    """Scenes of one split, drawn as they are wanted; the same seed draws the same ones."""

    def __init__(self, split: str, level: int, rng: np.random.Generator) -> None:
        self.split, self.level, self.rng = split, level, rng

    def scenes(self, count: int) -> list[Scene]:
        """The next ``count`` scenes."""
        found: list[Scene] = []
        while len(found) < count:
            scene = draw_scene(self.rng, self.level)
            if scene.split == self.split:
                found.append(scene)
        return found

    def samples(self, scene: Scene, count: int) -> list[Sample]:
        """``count`` samples of a scene, each with a context of its own; questions repeat where few fit."""
        asked = questions(scene, self.rng, count)
        return [
            Sample(
                id="",
                group="",
                image=Path(),
                question=asked[i % len(asked)].text,
                answers=(asked[i % len(asked)].answer,),
                context=context(scene, self.rng),
            )
            for i in range(count)
        ]


def patch_labels(scenes: Sequence[Scene]) -> npt.NDArray[np.int64]:
    """Per scene and patch the shape, colour and size that it shows, 0 for none: (N, 64, 3)."""
    side = SIDE // PATCH_SIZE
    labels = np.zeros((len(scenes), side, side, len(_CLASSES)), dtype=np.int64)
    for n, scene in enumerate(scenes):
        for thing, shift in zip(scene.things, scene.jitter, strict=True):
            top, left, bottom, right = box(thing, shift)
            # A patch shows what at least a quarter of it each way lies in.
            rows = slice((top + PATCH_SIZE // 4) // PATCH_SIZE, -(-(bottom - PATCH_SIZE // 4) // PATCH_SIZE))
            columns = slice(
                (left + PATCH_SIZE // 4) // PATCH_SIZE, -(-(right - PATCH_SIZE // 4) // PATCH_SIZE)
            )
            labels[n, rows, columns] = [
                1 + classes.index(value)
                for classes, value in zip(_CLASSES, (thing.shape, thing.colour, thing.size), strict=True)
            ]
    return labels.reshape(len(scenes), side * side, len(_CLASSES))


def train_tower(
    model: LlavaForConditionalGeneration, source: Source, recipe: Recipe, log: Callable[[str], None]
) -> None:
    """The vision tower learns to say of each patch what it shows, in place."""
    vision: Any = model.config.vision_config
    heads = nn.ModuleList(nn.Linear(int(vision.hidden_size), 1 + len(classes)) for classes in _CLASSES)
    parameters = [*model.model.vision_tower.parameters(), *heads.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=recipe.tower_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.tower_rate, total_steps=max(2, recipe.tower_steps)
    )
    model.train()
    for step in range(recipe.tower_steps):
        scenes = source.scenes(recipe.pictures_per_step)
        patches = patches_of(model, to_pixel_values(np.stack([render(scene) for scene in scenes])))
        labels = torch.from_numpy(patch_labels(scenes))
        loss = torch.zeros(())
        right = []
        for i, head in enumerate(heads):
            scores, wanted = head(patches).flatten(0, 1), labels[..., i].flatten()
            # Most patches are empty: what is on the others counts as much.
            weight = torch.ones(scores.shape[1])
            weight[0] = 0.1
            loss = loss + functional.cross_entropy(scores, wanted, weight=weight)
            shown = wanted > 0
            right.append((scores.argmax(dim=1) == wanted)[shown].float().mean().item())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            found = ", ".join(f"{share:.3f}" for share in right)
            log(f"tower step {step + 1}/{recipe.tower_steps}: loss {loss.item():.4f}; right {found}")


class Trainer:
    """Trains the whole model on questions behind their pictures, one step at a time."""

    def __init__(
        self,
        model: LlavaForConditionalGeneration,
        tokenizer: PreTrainedTokenizerFast,
        source: Source,
        recipe: Recipe,
    ) -> None:
        self.model, self.tokenizer, self.source, self.recipe = model, tokenizer, source, recipe
        self.prefix_ids = tokenizer(PREFIX_TEXT, add_special_tokens=False)["input_ids"]
        tower = list(model.model.vision_tower.parameters())
        in_tower = {id(parameter) for parameter in tower}
        language = [parameter for parameter in model.parameters() if id(parameter) not in in_tower]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": language, "lr": recipe.language_rate},
                {"params": tower, "lr": recipe.tuned_tower_rate},
            ],
            weight_decay=recipe.weight_decay,
            betas=(0.9, 0.98),
        )

        def rate(step: int) -> float:
            warm = min(1.0, (step + 1) / recipe.warm_up_steps)
            return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / recipe.steps))))

        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, rate)

    def step(self) -> float:
        """One update; returns its loss."""
        recipe, rng = self.recipe, self.source.rng
        scenes = self.source.scenes(recipe.pictures_per_step)
        fresh = rng.random() < recipe.subword_share
        turns = [
            [self._turn(sample, fresh) for sample in self.source.samples(scene, recipe.questions_per_picture)]
            for scene in scenes
        ]
        shape = (len(turns), recipe.questions_per_picture)
        draw = rng.random(shape)
        absent = np.where(draw < recipe.absent_share, 1, np.where(draw < 2 * recipe.absent_share, 2, 0))
        batch = behind(
            self.tokenizer, self.prefix_ids, turns, absent.astype(np.int64), rng.random(shape) < 0.5
        )
        self.model.train()
        hidden = hidden_of(
            self.model, self.prefix_ids, batch, to_pixel_values(np.stack([render(scene) for scene in scenes]))
        )
        rows = functional.dropout(hidden[batch.places], recipe.head_dropout)
        loss = functional.cross_entropy(self.model.lm_head(rows), batch.targets)
        if len(batch.said_places):
            said = self.model.lm_head(hidden[batch.said_places])
            loss = loss + recipe.caption_share * functional.cross_entropy(said, batch.said_targets)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        return loss.item()

    def keep(self, path: Path, done: int) -> None:
        """Writes all that the next step depends on."""
        content = {
            "recipe": json.dumps(self.recipe.as_dict()),
            "done": done,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.last_epoch,
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
        self.schedule.last_epoch = content["schedule"]
        torch.set_rng_state(content["torch"])
        state = json.loads(content["numpy"])
        for key, value in state["state"].items():
            state["state"][key] = np.array(value, dtype=np.uint64)
        state["buffer"] = np.array(state["buffer"], dtype=np.uint64)
        self.source.rng.bit_generator.state = state
        done: int = content["done"]
        return done

    def _turn(self, sample: Sample, fresh: bool) -> Turn:
        pieces = cut(sample.evidence, self.recipe.subword_cuts, self.source.rng) if fresh else None
        return tokenise(self.tokenizer, sample, pieces)


def behind(
    tokenizer: PreTrainedTokenizerFast,
    prefix_ids: Sequence[int],
    turns: Sequence[Sequence[Turn]],
    absent: npt.NDArray[np.int64],
    boosted: npt.NDArray[np.bool_],
) -> Rows:
    """The turns behind their pictures' prefixes."""
    return in_rows(
        turns,
        prefix=len(prefix_ids) + IMAGE_TOKENS,
        image=slice(len(prefix_ids), len(prefix_ids) + IMAGE_TOKENS),
        pad=tokenizer.pad_token_id,
        absent=absent,
        boosted=boosted,
    )


#: What ``accuracy`` takes away, by its number in ``packing.pack``.
WITHOUT = {"both": 0, "text only": 1, "image only": 2}


@torch.no_grad()
def accuracy(
    model: LlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    level: int,
    pictures: int = 250,
    split: str = "validation",
) -> dict[str, float]:
    """Share of answers whose every token is the most probable one, with both modalities and with each.

    Teacher forced, on the first scenes of a split.
    """
    model.eval()
    rng = np.random.Generator(np.random.Philox(key=[1, list(SPLITS).index(split)]))
    source = Source(split, level, rng)
    scenes = source.scenes(pictures)
    asked = [source.samples(scene, 5) for scene in scenes]
    prefix_ids = tokenizer(PREFIX_TEXT, add_special_tokens=False)["input_ids"]
    found = {}
    for name, gone in WITHOUT.items():
        right: list[bool] = []
        for start in range(0, pictures, 50):
            turns = [
                [tokenise(tokenizer, sample) for sample in samples] for samples in asked[start : start + 50]
            ]
            shape = (len(turns), len(turns[0]))
            batch = behind(
                tokenizer, prefix_ids, turns, np.full(shape, gone), np.full(shape, gone > 0, dtype=np.bool_)
            )
            pixels = np.stack([render(scene) for scene in scenes[start : start + 50]])
            hidden = hidden_of(model, prefix_ids, batch, to_pixel_values(pixels))
            hits = (model.lm_head(hidden[batch.places]).argmax(dim=1) == batch.targets).tolist()
            for turn in (turn for samples in turns for turn in samples):
                length = len(turn.ids) - turn.answer
                right.append(all(hits[:length]))
                hits = hits[length:]
        found[name] = float(np.mean(right))
    return found


def train(recipe: Recipe, out: Path, log: Callable[[str], None] = print) -> dict[str, float]:
    """Trains the checkpoint and saves it (fp16) to ``out``; returns its validation accuracies.

    No scene of the validation or test split is drawn in training. The same recipe on the same library
    versions and thread count gives the same weights, stopped and started again or not.
    """
    began = time.monotonic()
    rng = np.random.Generator(np.random.Philox(key=[recipe.seed, 0x5CE]))
    source = Source("train", recipe.level, rng)
    words = [sample for scene in source.scenes(3000) for sample in source.samples(scene, len(KINDS))]
    tokenizer = build_tokenizer(
        f"USER: \n{sample.context}\n{sample.question} ASSISTANT: {sample.answers[0]}" for sample in words
    )
    model = build_model(tokenizer, recipe.seed)

    def timed(line: str) -> None:
        log(f"[{time.monotonic() - began:6.0f} s] {line}")

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        state = out / STATE_FILE
        first = 0
        if state.is_file():
            trainer = Trainer(model, tokenizer, source, recipe)
            first = trainer.resume(state)
            timed(f"goes on after step {first}")
        else:
            train_tower(model, source, recipe, timed)
            trainer = Trainer(model, tokenizer, source, recipe)
        losses: list[float] = []
        for step in range(first, recipe.steps):
            losses.append(trainer.step())
            if step % KEEP_EVERY == KEEP_EVERY - 1 or step == recipe.steps - 1:
                trainer.keep(state, step + 1)
                shares = ", ".join(
                    f"{name} {share:.4f}"
                    for name, share in accuracy(model, tokenizer, recipe.level, pictures=100).items()
                )
                timed(f"step {step + 1}/{recipe.steps}: loss {np.mean(losses[-KEEP_EVERY:]):.4f}; {shares}")
    found = accuracy(model, tokenizer, recipe.level, pictures=1000)
    facts = {
        "name": NAME,
        "recipe": recipe.as_dict(),
        "data": {"name": "scenes", "split": "train", "level": recipe.level},
        "validation_accuracy": {name: round(share, 4) for name, share in found.items()},
    }
    save(model, tokenizer, out, facts)
    state.unlink(missing_ok=True)
    return found
