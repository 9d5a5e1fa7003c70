"""The whole recipe of ``tiny-llava-easy-vqa``: data in, checkpoint folder out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from dmsbench.data import easy_vqa
from dmsbench.training.architecture import build_model, build_processor, build_tokenizer
from dmsbench.training.packing import PREFIX_TEXT, pack, tokenise
from dmsbench.training.pictures import Pictures, gather, to_pixel_values
from dmsbench.training.saving import save
from dmsbench.training.tiny_llava import IMAGE_TOKENS, Recipe, Trainer, packed_hidden
from dmsbench.training.tower import train_tower

NAME = "tiny-llava-easy-vqa"


def train(recipe: Recipe, out: Path, log: Callable[[str], None] = print) -> float:
    """Trains the checkpoint and saves it (fp16) to ``out``; returns its validation accuracy.

    The test split is never read. The same recipe on the same library versions and thread count gives
    the same weights; on other hardware they may differ in rounding and so in the course of training.
    """
    began = time.monotonic()
    fitting = easy_vqa.load("train")
    train_pictures, validation = gather(fitting), gather(easy_vqa.load("validation"))
    tokenizer = build_tokenizer(
        f"USER: \n{sample.question} ASSISTANT: {sample.answers[0]}" for sample in fitting.samples
    )
    model = build_model(tokenizer, recipe.seed)
    rng = np.random.default_rng(recipe.seed)

    def timed(line: str) -> None:
        log(f"[{time.monotonic() - began:6.0f} s] {line}")

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        train_tower(model, train_pictures, validation, epochs=recipe.tower_epochs, rng=rng, log=timed)
        trainer = Trainer(model, tokenizer, train_pictures, recipe, rng)
        accuracy = 0.0
        for epoch in range(recipe.epochs):
            loss = trainer.epoch()
            accuracy = answer_accuracy(model, tokenizer, validation)
            timed(f"epoch {epoch + 1}/{recipe.epochs}: loss {loss:.4f}, validation {accuracy:.4f}")
    facts = {
        "name": NAME,
        "recipe": recipe.as_dict(),
        "data": {"name": "easy_vqa", "split": "train", "fingerprint": fitting.fingerprint},
        "validation_accuracy": round(accuracy, 4),
    }
    save(model, build_processor(tokenizer), out, facts)
    return accuracy


@torch.no_grad()
def answer_accuracy(
    model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, pictures: Pictures
) -> float:
    """Share of questions whose answer's every token is the most probable one (teacher forced)."""
    model.eval()
    prefix_ids = tokenizer(PREFIX_TEXT, add_special_tokens=False)["input_ids"]
    prefix = len(prefix_ids) + IMAGE_TOKENS
    right = total = 0
    for row, asked in enumerate(pictures.questions):
        turns = [[tokenise(tokenizer, sample) for sample in asked]]
        none = np.zeros((1, len(asked)), dtype=np.int64)
        batch = pack(
            turns,
            prefix=prefix,
            image=slice(len(prefix_ids), prefix),
            pad=tokenizer.pad_token_id,
            absent=none,
            boosted=none.astype(np.bool_),
        )
        hidden = packed_hidden(model, prefix_ids, batch, to_pixel_values(pictures.pixels[row : row + 1]))
        hits = (model.lm_head(hidden[batch.rows]).argmax(dim=1) == batch.targets).tolist()
        for turn in turns[0]:
            answer_length = len(turn.ids) - turn.answer
            right += all(hits[:answer_length])
            hits = hits[answer_length:]
            total += 1
    return right / total
