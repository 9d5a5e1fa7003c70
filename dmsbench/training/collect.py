"""Evidence of a frozen checkpoint under simulated corruption, in parts: a killed fit continues."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

import corruptions
from dmsbench.data.base import Sample, SampleError
from dmsbench.files import write_atomically
from dmsbench.fusion.points import Evidence
from dmsbench.models.base import Image, Prompt, VisionLanguageModel
from dmsbench.models.decoding import log_likelihood
from dmsbench.models.evidence import PointReader, Readable, Reading
from dmsbench.runner.plan import batches
from dmsbench.runner.store import digest
from dmsbench.runner.views import ABSENT_HASH, Views
from dmsbench.training.each_token import TOKENS_AN_ANSWER, at_tokens, ended
from dmsbench.training.simulated import Draw
from dmsbench.training.tokens import (
    TOKENS,
    Embedding,
    Tokens,
    as_tensors,
    check_size,
    from_tensors,
    joined,
    tokens_of,
)

#: Draws a part: what is lost at most by a kill.
PART = 64
#: Part of every part's key.
_VERSION = 1
_TENSORS = (
    "probabilities",
    "uncertainty",
    "consistency",
    "energy",
    "image",
    "text",
    "log_likelihood",
    "right",
)


class Fittable(Readable, VisionLanguageModel, Embedding, Protocol):
    """An adapter that a scheduler can be fitted on."""

    weights_hash: str
    config_hash: str

    @property
    def ending(self) -> int | None:
        """The token that an answer ends with."""

    def answer_tokens(self, answer: str) -> tuple[int, ...]:
        """The tokens of an answer right after the prompt."""


@dataclass(frozen=True, slots=True)
class Collected:
    """N rows, with how probable the right answer is at each point: ``log_likelihood`` (N, P).

    ``image``, ``text``: pooled features (N, D), (N, D'). ``right`` (N, K) bool: the outcomes that a right
    answer begins with. ``conditions`` as ``fog@3`` or ``clean``. Where it was asked for, ``hidden`` (N, M, D)
    float16: what the answer's first token is drawn from at each modality's corner; ``tokens``: what probes
    are fitted on. ``judged`` (N, P, K): of retrieval the distributions over candidates, the right one among
    them; the evidence's are over a bank that does not hold it.
    """

    evidence: Evidence
    image: torch.Tensor
    text: torch.Tensor
    log_likelihood: torch.Tensor
    right: torch.Tensor
    groups: tuple[str, ...]
    conditions: tuple[str, ...]
    hidden: torch.Tensor | None = None
    tokens: Tokens | None = None
    judged: torch.Tensor | None = None

    @property
    def said(self) -> torch.Tensor:
        """The distributions (N, P, K) at the points over what ``right`` is of."""
        return self.evidence.probabilities if self.judged is None else self.judged

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def families(self) -> tuple[str, ...]:
        """The conditions without their severities."""
        return tuple(condition.partition("@")[0] for condition in self.conditions)

    @property
    def clean(self) -> torch.Tensor:
        """Which rows are clean, (N,) bool."""
        return torch.tensor([condition == "clean" for condition in self.conditions])


def right_answer(sample: Sample) -> str:
    """The commonest of the references, the first of equals."""
    counts = Counter(sample.answers)
    return max(sample.answers, key=lambda answer: counts[answer])


def picked(names: Sequence[str], rows: torch.Tensor) -> tuple[str, ...]:
    """The names of the rows (N,) bool."""
    return tuple(name for name, taken in zip(names, rows.tolist(), strict=True) if taken)


class Collector:
    """Reads the evidence of draws, or takes it from ``folder`` where an earlier fit left it.

    ``hidden``: keep the hidden states too; ``tokens``: keep what probes are fitted on; ``each_token``: a row
    is no answer but one of its tokens. Evidence with any of them is kept apart from that without.
    """

    def __init__(
        self,
        adapter: Fittable,
        reader: PointReader,
        views: Views,
        folder: Path,
        identity: dict[str, Any],
        *,
        batch_size: int = 256,
        hidden: bool = False,
        tokens: bool = False,
        each_token: bool = False,
    ) -> None:
        self._tensors = (*_TENSORS, *(("hidden",) if hidden else ()), *(TOKENS if tokens else ()))
        self.adapter, self.reader, self.views, self.folder = adapter, reader, views, folder
        self.batch_size, self.tokens, self.each_token = batch_size, tokens, each_token
        self._answers: dict[str, tuple[int, ...]] = {}
        self._identity = {
            "version": _VERSION,
            "model": adapter.settings(),
            "points": [reader.points.names, reader.points.weights],
            **reader.head.settings(),
            **({"tokens": list(TOKENS)} if tokens else {}),
            **identity,
            **({"hidden": True} if hidden else {}),
            **({"tokens_an_answer": TOKENS_AN_ANSWER} if each_token else {}),
        }

    def collect(self, draws: Sequence[Draw], on_part: Callable[[int, int], None]) -> Collected | None:
        """All rows of the draws; None where none could be asked.

        ``on_part(draws, rows)`` after each part: how many draws it held, and rows it gave.
        """
        parts = []
        for some in batches(draws, PART):
            path = self.folder / f"{self._key(some)}.safetensors"
            found = _read(path, self._tensors)
            if found is None:
                found = self._part(some)
                if self.tokens and found[1]:
                    check_size(found[0], -(-len(draws) // PART))
                meta = {"groups": json.dumps(found[1]), "conditions": json.dumps(found[2])}
                write_atomically(path, save(found[0], metadata=meta))
            parts.append(found)
            on_part(len(some), len(found[1]))
        parts = [part for part in parts if part[1]]
        if not parts:
            return None
        whole = joined([part[0] for part in parts])
        evidence = Evidence(
            probabilities=whole["probabilities"],
            uncertainty=whole["uncertainty"],
            consistency=whole["consistency"],
            energy=whole["energy"],
        )
        return Collected(
            evidence,
            whole["image"],
            whole["text"],
            whole["log_likelihood"],
            whole["right"].bool(),
            tuple(group for part in parts for group in part[1]),
            tuple(condition for part in parts for condition in part[2]),
            whole.get("hidden"),
            from_tensors(whole) if self.tokens else None,
        )

    def _key(self, draws: Sequence[Draw]) -> str:
        involved = {
            view.corruption
            for draw in draws
            for view in (draw.condition.image, draw.condition.text)
            if not view.is_clean
        }
        return digest(
            {
                **self._identity,
                "corruptions": {name: corruptions.version_of(name) for name in sorted(involved)},
                "draws": [[str(draw.condition), [sample.id for sample in draw.samples]] for draw in draws],
            }
        )

    def _part(self, draws: Sequence[Draw]) -> _Part:
        # As in a run: the images of a batch are few enough to be encoded at once.
        found = [self._rows(some) for some in batches(draws, max(1, self.batch_size // 4))]
        self.views.forget()
        whole = [each for each in found if each[1]]
        tensors = joined([each[0] for each in whole]) if whole else {}
        return tensors, [group for each in whole for group in each[1]], [c for each in whole for c in each[2]]

    def _rows(self, draws: Sequence[Draw]) -> _Part:
        pictures: list[Image] = []
        rows: list[_Row] = []
        for draw in draws:
            image = self.views.image(draw.group, draw.condition.image)
            if image.pixels is None or image.hash == ABSENT_HASH:
                continue
            for sample in draw.samples:
                text = self.views.text(sample, draw.condition.text)
                prompt = Prompt(text.question, text.context, has_text=text.present)
                length = self._length(prompt, sample) if text.error is None else None
                if length is not None:
                    rows.append((length, len(pictures), prompt, sample, str(draw.condition)))
            pictures.append(image.pixels)
        rows.sort(key=lambda row: row[0])
        if not rows:
            return {}, [], []
        state = self.adapter.encode(pictures)
        found = [self._batch(state, batch) for batch in batches(rows, self.batch_size)]
        tensors = joined([each for each, _ in found])
        if self.tokens:
            asked = tokens_of(self.adapter, state, [row[1] for row in rows], [row[2] for row in rows])
            tensors |= as_tensors(asked)
        owners = [row for _, some in found for row in some]
        return tensors, [row[3].group for row in owners], [row[4] for row in owners]

    def _length(self, prompt: Prompt, sample: Sample) -> int | None:
        """The prompt's length, None for a row from which nothing can be learnt."""
        try:
            length = self.adapter.length(prompt)
        except SampleError:
            return None  # a run records such a row as an error
        usable = all(self.adapter.present(prompt)) and all(map(self._tokens, sample.answers))
        return length if usable else None

    def _tokens(self, answer: str) -> tuple[int, ...]:
        if answer not in self._answers:
            self._answers[answer] = self.adapter.answer_tokens(answer)
        return self._answers[answer]

    def _batch(self, state: Any, batch: Sequence[_Row]) -> tuple[dict[str, torch.Tensor], Sequence[_Row]]:
        """Tensors of a batch, and the row that each entry of theirs is of."""
        reading = self.reader.read(state, [row[1] for row in batch], [row[2] for row in batch], pool=True)
        if reading.pooled is None:
            raise ValueError("features were asked for")
        answers = [self._tokens(right_answer(row[3])) for row in batch]
        if self.each_token:
            return self._each_token(batch, reading, answers)
        outcomes = self.reader.outcomes or range(reading.evidence.probabilities.shape[-1])
        at = {token: k for k, token in enumerate(outcomes)}
        right = torch.zeros(len(batch), len(at), dtype=torch.uint8)
        for b, row in enumerate(batch):
            for answer in set(row[3].answers):
                k = at.get(self._tokens(answer)[0])
                if k is not None:
                    right[b, k] = 1
        streams = reading.streams
        kept = {}
        if "hidden" in self._tensors:
            corners = streams.at[:, list(self.reader.points.corners)]
            kept["hidden"] = streams.start.hidden[corners.to(streams.start.hidden.device)].half().cpu()
        return {
            **kept,
            "probabilities": reading.evidence.probabilities,
            "uncertainty": reading.evidence.uncertainty,
            "consistency": reading.evidence.consistency,
            "energy": _kept(reading.evidence.energy),
            "image": reading.pooled[0],
            "text": reading.pooled[1],
            "log_likelihood": log_likelihood(self.adapter, streams.start, streams.at, answers),
            "right": right,
        }, batch

    def _each_token(
        self, batch: Sequence[_Row], reading: Reading, answers: Sequence[Sequence[int]]
    ) -> tuple[dict[str, torch.Tensor], Sequence[_Row]]:
        whole = [ended(answer, self.adapter.ending) for answer in answers]
        found = at_tokens(self.reader, reading, whole, [f"{row[3].id}/{row[4]}" for row in batch])
        image, text = reading.pooled or (torch.empty(0), torch.empty(0))
        tensors = {
            "probabilities": found.probabilities,
            "uncertainty": found.uncertainty,
            "consistency": reading.evidence.consistency[found.owners],
            "energy": found.energy,
            "image": image[found.owners],
            "text": text[found.owners],
            "log_likelihood": found.log_likelihood,
            "right": found.right,
        }
        if "hidden" in self._tensors:
            tensors["hidden"] = found.hidden
        return tensors, [batch[owner] for owner in found.owners.tolist()]


#: Length, place among the pictures, prompt, sample, condition.
_Row = tuple[int, int, Prompt, Sample, str]
_Part = tuple[dict[str, torch.Tensor], list[str], list[str]]


def _kept(tensor: torch.Tensor | None) -> torch.Tensor:
    if tensor is None:
        raise ValueError("the reader measures energies")
    return tensor


def _read(path: Path, names: Sequence[str]) -> _Part | None:
    """A part that is there and whole, else None."""
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            groups, conditions = json.loads(meta["groups"]), json.loads(meta["conditions"])
            tensors = {name: file.get_tensor(name) for name in names} if groups else {}
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return tensors, groups, conditions
