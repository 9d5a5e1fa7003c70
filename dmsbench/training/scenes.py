"""The recipe of ``tiny-llava-scenes``: scenes without end, a context each, modalities really absent."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from dmsbench.data.base import Sample
from dmsbench.data.scenes.language import KINDS
from dmsbench.data.scenes.render import render
from dmsbench.data.scenes.world import SPLITS
from dmsbench.errors import DataError
from dmsbench.files import write_atomically
from dmsbench.training.alignment import align
from dmsbench.training.architecture import build_model, build_tokenizer
from dmsbench.training.damage import Damage
from dmsbench.training.optimiser import Optimiser, Rates
from dmsbench.training.packing import PREFIX_TEXT, Turn, cut, tokenise
from dmsbench.training.pictures import to_pixel_values
from dmsbench.training.prefix import Rows, hidden_of, in_rows
from dmsbench.training.reading import read
from dmsbench.training.saving import save, weights_hash
from dmsbench.training.scene_stream import Source
from dmsbench.training.tiny_llava import IMAGE_TOKENS

NAME, READER = "tiny-llava-scenes", "scenes-reader"
#: In the checkpoint's folder while it is being trained.
STATE_FILE = "training-state.pt"
#: Steps from one state file and line of the log to the next.
KEEP_EVERY = 250
#: Both of what a training may be: on clean data, or half of it corrupted.
REGIMES = ("clean", "augmented")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, beside the code."""

    seed: int = 0
    level: int = 2
    regime: str = "clean"
    #: The hash of the weights that training starts from, empty for none.
    start: str = ""
    reading_steps: int = 4000
    tower_steps: int = 600
    steps: int = 1000
    #: Shares of the reading steps after which scenes of two things join those of one, and then all others:
    #: what belongs to what is learnt on pictures where little else is.
    curriculum: tuple[float, float] = (0.1, 0.3)
    pictures_per_step: int = 32
    contexts_per_picture: int = 2
    questions_per_context: int = 4
    matrix_rate: float = 2e-3
    rate: float = 2e-3
    tuned_tower_rate: float = 3e-4
    weight_decay: float = 0.05
    warm_up_steps: int = 100
    #: Share of rows without their image, and of rows without their context.
    absent_share: float = 0.3
    #: Share of contexts whose first question is to say all that there is: one long answer teaches to look
    #: and to read more than many short ones.
    told_share: float = 0.25
    head_dropout: float = 0.1
    #: Weight of the loss of saying the context from the picture, as in captioning: answers alone teach
    #: to look too slowly.
    caption_share: float = 0.5
    #: As in ``tiny_llava``: share of batches with other byte pairs, and of places cut there.
    subword_share: float = 0.25
    subword_cuts: float = 0.1
    #: Share of pictures whose picture or contexts are corrupted, where the regime is "augmented".
    damaged_share: float = 0.5

    @property
    def language_rates(self) -> Rates:
        """Of the language model, and of the tower before it meets the language model."""
        return Rates(self.matrix_rate, self.rate)

    def __post_init__(self) -> None:
        if self.regime not in REGIMES:
            raise DataError(f"no training regime '{self.regime}': use one of {', '.join(REGIMES)}")

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "curriculum": list(self.curriculum)}

    def most_things(self, step: int) -> int | None:
        """The most things that a scene of this reading step has, None for no bound but the level's."""
        first, second = (share * self.reading_steps for share in self.curriculum)
        return 1 if step < first else 2 if step < second else None


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
        self.damage = Damage(source, recipe.damaged_share if recipe.regime == "augmented" else 0.0)
        named = list(model.named_parameters())
        tower = [(name, parameter) for name, parameter in named if "vision_tower" in name]
        language = [(name, parameter) for name, parameter in named if "vision_tower" not in name]
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
            self.tokenizer,
            self.prefix_ids,
            turns,
            absent.astype(np.int64),
            rng.random(shape) < 0.5,
            recipe.questions_per_context,
        )
        self.model.train()
        hidden = hidden_of(self.model, self.prefix_ids, batch, to_pixel_values(np.stack(pixels)))
        rows = functional.dropout(hidden[batch.places], recipe.head_dropout)
        loss = functional.cross_entropy(self.model.lm_head(rows), batch.targets)
        if len(batch.said_places):
            said = self.model.lm_head(hidden[batch.said_places])
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
        return [tokenise(self.tokenizer, s, pieces[s.evidence] if fresh else None) for s in samples]


def behind(
    tokenizer: PreTrainedTokenizerFast,
    prefix_ids: Sequence[int],
    turns: Sequence[Sequence[Turn]],
    absent: npt.NDArray[np.int64],
    boosted: npt.NDArray[np.bool_],
    together: int = 1,
) -> Rows:
    """The turns behind their pictures' prefixes."""
    return in_rows(
        turns,
        prefix=len(prefix_ids) + IMAGE_TOKENS,
        image=slice(len(prefix_ids), len(prefix_ids) + IMAGE_TOKENS),
        pad=tokenizer.pad_token_id,
        absent=absent,
        boosted=boosted,
        together=together,
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
        from_reader = False
        if start is None:
            model, tokenizer, source = _reader(recipe, timed, finished=resumed)
        else:
            from_reader = _is_reader(start)
            # Another stream than that of stage 0.
            source = _source(recipe, 1)
            tokenizer = PreTrainedTokenizerFast.from_pretrained(start)
            model = LlavaForConditionalGeneration.from_pretrained(start, dtype=torch.float32)
            if from_reader:
                # A tower of its own for every seed: the reader's is the one it was initialised with.
                fresh = build_model(tokenizer, recipe.seed).model
                model.model.vision_tower.load_state_dict(fresh.vision_tower.state_dict())
                model.model.multi_modal_projector.load_state_dict(fresh.multi_modal_projector.state_dict())
        if not resumed and (start is None or from_reader):
            align(
                model,
                tokenizer,
                source,
                steps=recipe.tower_steps,
                pictures=recipe.pictures_per_step,
                rates=recipe.language_rates,
                weight_decay=recipe.weight_decay,
                log=timed,
            )
        trainer = Trainer(model, tokenizer, source, recipe)
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


def train_reader(recipe: Recipe, out: Path, log: Callable[[str], None] = print) -> None:
    """Stage 0 alone, saved to ``out``: a language model that several checkpoints can start from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model, tokenizer, _ = _reader(recipe, _timed(log))
    save(model, tokenizer, out, {"name": READER, "recipe": recipe.as_dict()})


def _reader(
    recipe: Recipe, log: Callable[[str], None], *, finished: bool = False
) -> tuple[LlavaForConditionalGeneration, PreTrainedTokenizerFast, Source]:
    """Model and tokenizer after stage 0, and the scenes to go on with; ``finished``: its weights are kept."""
    source = _source(recipe, 0)
    words = [sample for scene in source.scenes(3000) for sample in source.samples(scene, len(KINDS))]
    tokenizer = build_tokenizer(
        f"USER: \n{sample.context}\n{sample.question} ASSISTANT: {sample.answers[0]}" for sample in words
    )
    model = build_model(tokenizer, recipe.seed)
    if not finished:
        read(
            model,
            tokenizer,
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
    return model, tokenizer, source


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
