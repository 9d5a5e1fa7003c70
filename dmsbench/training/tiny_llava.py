"""Stage 2 of ``tiny-llava-easy-vqa``: the whole model learns to answer; and the recipe's settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from dmsbench.data.base import Sample
from dmsbench.training.architecture import IMAGE_SIZE, PATCH_SIZE
from dmsbench.training.packing import PREFIX_TEXT, Pack, Turn, cut, pack, tokenise
from dmsbench.training.pictures import Pictures, augmented, to_pixel_values

IMAGE_TOKENS = (IMAGE_SIZE // PATCH_SIZE) ** 2


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, beside the data and the code."""

    seed: int = 0
    tower_epochs: int = 40
    epochs: int = 18
    pictures_per_step: int = 32
    questions_per_picture: int = 10
    language_rate: float = 2e-3
    tower_rate: float = 3e-4
    weight_decay: float = 0.05
    warm_up_steps: int = 150
    #: Share of turns without their image, and of turns without their question.
    absent_share: float = 0.1
    #: Dropout before the output layer: what Monte Carlo dropout switches on again at test time.
    head_dropout: float = 0.1
    #: Share of batches whose questions are cut into smaller byte pairs, and the share of places cut there
    #: (subword regularisation, after Kudo 2018): the pieces that misspelt words fall into get trained.
    subword_share: float = 0.25
    subword_cuts: float = 0.1

    def as_dict(self) -> dict[str, float | int]:
        return asdict(self)


class Trainer:
    """Trains the whole model on packed questions; ``step`` by step, so that a caller may watch."""

    def __init__(
        self,
        model: LlavaForConditionalGeneration,
        tokenizer: PreTrainedTokenizerFast,
        pictures: Pictures,
        recipe: Recipe,
        rng: np.random.Generator,
    ) -> None:
        self.model, self.tokenizer, self.pictures, self.recipe, self.rng = (
            model,
            tokenizer,
            pictures,
            recipe,
            rng,
        )
        self.prefix_ids = tokenizer(PREFIX_TEXT, add_special_tokens=False)["input_ids"]
        self.turns = [[tokenise(tokenizer, sample) for sample in asked] for asked in pictures.questions]
        tower = list(model.model.vision_tower.parameters())
        in_tower = {id(parameter) for parameter in tower}
        language = [parameter for parameter in model.parameters() if id(parameter) not in in_tower]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": language, "lr": recipe.language_rate},
                {"params": tower, "lr": recipe.tower_rate},
            ],
            weight_decay=recipe.weight_decay,
            betas=(0.9, 0.98),
        )
        self.steps_per_epoch = len(pictures) // recipe.pictures_per_step
        total = max(1, recipe.epochs * self.steps_per_epoch)

        def rate(step: int) -> float:
            warm = min(1.0, (step + 1) / recipe.warm_up_steps)
            return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / total))))

        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, rate)

    def epoch(self) -> float:
        """One pass over the pictures; returns the mean loss."""
        self.model.train()
        order = self.rng.permutation(len(self.pictures))
        size = self.recipe.pictures_per_step
        losses = [self.step(order[start : start + size]) for start in range(0, len(order) - size + 1, size)]
        return float(np.mean(losses))

    def step(self, rows: Sequence[int] | np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
        """One update from the pictures named; returns its loss."""
        batch = self._pack(rows)
        values = to_pixel_values(augmented(self.pictures.pixels[np.asarray(rows)], self.rng))
        loss = self._loss(batch, values)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        return loss.item()

    def _pack(self, rows: Sequence[int] | np.ndarray[tuple[int], np.dtype[np.int64]]) -> Pack:
        recipe, rng = self.recipe, self.rng
        fresh = rng.random() < recipe.subword_share
        chosen: list[list[Turn]] = []
        for row in rows:
            known = self.turns[row]
            picks = rng.permutation(len(known))
            picks = np.resize(picks, recipe.questions_per_picture)
            if fresh:
                asked = [self.pictures.questions[row][int(pick)] for pick in picks]
                chosen.append([self._in_pieces(sample) for sample in asked])
            else:
                chosen.append([known[int(pick)] for pick in picks])
        shape = (len(chosen), recipe.questions_per_picture)
        draw = rng.random(shape)
        absent = np.where(draw < recipe.absent_share, 1, np.where(draw < 2 * recipe.absent_share, 2, 0))
        return pack(
            chosen,
            prefix=len(self.prefix_ids) + IMAGE_TOKENS,
            image=slice(len(self.prefix_ids), len(self.prefix_ids) + IMAGE_TOKENS),
            pad=self.tokenizer.pad_token_id,
            absent=absent.astype(np.int64),
            boosted=rng.random(shape) < 0.5,
        )

    def _in_pieces(self, sample: Sample) -> Turn:
        return tokenise(self.tokenizer, sample, cut(sample.question, self.recipe.subword_cuts, self.rng))

    def _loss(self, batch: Pack, pixel_values: torch.Tensor) -> torch.Tensor:
        hidden = packed_hidden(self.model, self.prefix_ids, batch, pixel_values)
        rows = hidden[batch.rows]
        rows = functional.dropout(rows, self.recipe.head_dropout)
        return functional.cross_entropy(self.model.lm_head(rows), batch.targets)


def packed_hidden(
    model: LlavaForConditionalGeneration, prefix_ids: Sequence[int], batch: Pack, pixel_values: torch.Tensor
) -> torch.Tensor:
    """The language model's last hidden states over all slots, (B · Q·T, width)."""
    features = model.get_image_features(pixel_values, return_dict=True).pooler_output
    images = torch.stack(list(features))
    embed = model.get_input_embeddings()
    start = embed(torch.tensor(prefix_ids)).expand(len(images), -1, -1)
    embeds = torch.cat([start, images, embed(batch.ids)], dim=1)
    hidden = model.model.language_model(
        inputs_embeds=embeds,
        attention_mask=batch.mask,
        position_ids=batch.position_ids,
        use_cache=False,
    ).last_hidden_state
    slots: torch.Tensor = hidden[:, start.shape[1] + images.shape[1] :]
    return slots.reshape(-1, slots.shape[-1])
