"""Fitting probes: heads of image and text, each on its own, to the right outcomes of damaged rows.

A head that has seen a row is surer of it than of any other, and a scheduler fitted on that would trust probes
more than they deserve in use. So the signals of training rows come from heads fitted on the other folds'
images, and one more pair of heads, fitted on all of them, is what is saved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from dmsbench.errors import DataError
from dmsbench.fusion.points import Evidence
from dmsbench.fusion.probe import REACH, Head, Probes, ProbeSignals, text_signature
from dmsbench.training.folds import dealt
from dmsbench.training.tokens import Embedding, Tokens

#: Temperatures that are tried on rows that the heads were not fitted on.
TEMPERATURES = tuple(2.0 ** (step / 8) for step in range(-16, 25))
#: Rows read at once where nothing is learnt.
_ROWS = 512
#: Batches of text rows that are sorted by length together.
_SORTED = 16


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """How probes are fitted; ``dropout`` is also that of the Monte Carlo passes."""

    width: int = 64
    hidden: int = 128
    dropout: float = 0.2
    passes: int = 4
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    batch_rows: int = 256
    epochs: int = 40
    patience: int = 4
    """Epochs without a better likelihood on the rows that stop the fit."""
    folds: int = 3
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Probing:
    """Rows with their right outcomes, (N, K) bool; a row whose answer is no outcome teaches nothing."""

    adapter: Embedding
    tokens: Tokens
    right: torch.Tensor

    def __len__(self) -> int:
        return len(self.right)


def fit_probes(
    probing: Probing, training: torch.Tensor, stopping: torch.Tensor, settings: ProbeSettings
) -> Probes:
    """Probes of the rows ``training`` (N,) bool, each head stopped and tempered on the rows ``stopping``.

    Maximises ln Σ_{k right} p_k with AdamW and dropout; equal rows and settings give equal probes. Raises
    DataError where rows of one of the two with a right outcome are missing.
    """
    known = probing.right.any(dim=1)
    for rows in (training, stopping):
        if not bool((rows & known).any()):
            raise DataError("no row to fit probes on: take more with --limit")
    with torch.inference_mode(False), torch.enable_grad():
        image, text = (
            _tempered(
                _fit_head(modality, probing, training & known, stopping & known, settings),
                modality,
                probing,
                stopping & known,
            )
            for modality in range(2)
        )
    return Probes(image, text, settings.passes, settings.dropout, settings.seed)


def probe_signals(probes: Probes, probing: Probing, rows: torch.Tensor) -> ProbeSignals:
    """What the probes say of the rows (b,)."""
    masks, parts = probes.masks(), []
    with torch.no_grad():
        for some in rows.split(_ROWS):
            given = probing.tokens.rows(probing.adapter, some)
            parts.append(probes.read(given, masks))
    return ProbeSignals(
        torch.cat([part.probabilities for part in parts]), torch.cat([part.uncertainty for part in parts])
    )


def probed(
    probing: Probing,
    consistency: torch.Tensor,
    groups: Sequence[str],
    training: torch.Tensor,
    stopping: torch.Tensor,
    settings: ProbeSettings,
    on_fold: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[Probes, Evidence]:
    """The probes of all training rows, and every row's evidence at the corners from probes that it is new to.

    ``consistency`` (N,) is handed on. Training rows are measured by the probes of the other folds, all other
    rows by those that are returned. ``on_fold(done, total)`` after each pair of heads.
    """
    whole = fit_probes(probing, training, stopping, settings)
    on_fold(1, settings.folds + 1)
    everything = probe_signals(whole, probing, torch.arange(len(probing)))
    inside = {group for group, fitted in zip(groups, training.tolist(), strict=True) if fitted}
    fold = dealt(groups, inside, settings.folds, settings.seed)
    for number in range(settings.folds):
        rows = (training & (fold == number)).nonzero()[:, 0]
        if len(rows):
            others = fit_probes(probing, training & (fold != number), stopping, settings)
            found = probe_signals(others, probing, rows)
            everything.probabilities[rows] = found.probabilities
            everything.uncertainty[rows] = found.uncertainty
        on_fold(number + 2, settings.folds + 1)
    return whole, Evidence(everything.probabilities, everything.uncertainty, consistency)


def text_signatures(probing: Probing) -> torch.Tensor:
    """``text_signature`` of every row, (N, 2D) float32."""
    parts = []
    for rows in torch.arange(len(probing)).split(_ROWS):
        given = probing.tokens.rows(probing.adapter, rows)
        parts.append(text_signature(given.text, given.exists).cpu())
    return torch.cat(parts)


def _fit_head(
    modality: int, probing: Probing, training: torch.Tensor, stopping: torch.Tensor, settings: ProbeSettings
) -> Head:
    generator = torch.Generator().manual_seed(settings.seed + modality)
    rows = training.nonzero()[:, 0]
    given = probing.tokens.rows(probing.adapter, rows[:1])
    head = Head.initial(
        given.question.shape[1],
        probing.right.shape[1],
        reach=REACH[modality],
        width=settings.width,
        hidden=settings.hidden,
        generator=generator,
    ).to(given.question.device)
    learnt = {name: tensor.clone() for name, tensor in head.tensors().items()}
    trained = [tensor.requires_grad_() for name, tensor in learnt.items() if name != "temperature"]
    head = Head(**learnt)
    optimiser = torch.optim.AdamW(
        [
            {"params": [each for each in trained if each.ndim > 1], "weight_decay": settings.weight_decay},
            {"params": [each for each in trained if each.ndim < 2], "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
    )
    stops = stopping.nonzero()[:, 0]
    best, kept, waited = _likelihood(head, modality, probing, stops), _copy(head), 0
    for _ in range(settings.epochs):
        for batch in _batches(rows, modality, probing.tokens, settings.batch_rows, generator):
            optimiser.zero_grad()
            _loss(head, modality, probing, batch, settings.dropout, generator).backward()
            optimiser.step()
        reached = _likelihood(head, modality, probing, stops)
        waited += 1
        if reached > best:
            best, kept, waited = reached, _copy(head), 0
        elif waited >= settings.patience:
            break
    return kept


def _batches(
    rows: torch.Tensor, modality: int, tokens: Tokens, size: int, generator: torch.Generator
) -> tuple[torch.Tensor, ...]:
    """The rows in a random order, but together where that saves work.

    For the image rows about one view, which share its tokens; for the text rows of like length, which need
    little padding.
    """
    if modality == 0:
        views, which = tokens.picks[rows].unique(return_inverse=True)
        place = torch.randperm(len(views), generator=generator)[which]
        return tuple(rows[place.argsort(stable=True)].split(size))
    lengths = (tokens.text >= 0).sum(dim=1)
    found: list[torch.Tensor] = []
    for some in rows[torch.randperm(len(rows), generator=generator)].split(size * _SORTED):
        found += some[lengths[some].argsort(stable=True)].split(size)
    return tuple(found[i] for i in torch.randperm(len(found), generator=generator).tolist())


def _features(head: Head, modality: int, probing: Probing, rows: torch.Tensor) -> torch.Tensor:
    given = probing.tokens.rows(probing.adapter, rows)
    asked = given.question.float()
    if modality == 0:
        return head.features(given.image.float(), asked, picks=given.picks)
    return head.features(given.text.float(), asked, exists=given.exists)


def _loss(
    head: Head,
    modality: int,
    probing: Probing,
    rows: torch.Tensor,
    dropout: float,
    generator: torch.Generator,
) -> torch.Tensor:
    features = _features(head, modality, probing, rows)
    masks = [
        ((torch.rand(len(rows), width, generator=generator) >= dropout) / (1.0 - dropout)).to(features)
        for width in head.hidden.shape
    ]
    return -_right(head.dropped(features, *masks), probing.right[rows]).mean()


def _right(logits: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """ln Σ_{k right} p_k of logits (b, K), (b,)."""
    logs = logits.log_softmax(dim=1)
    return logs.masked_fill(~right.to(logits.device), -torch.inf).logsumexp(dim=1)


@torch.no_grad()
def _logits(head: Head, modality: int, probing: Probing, rows: torch.Tensor) -> torch.Tensor:
    parts = [head.logits(_features(head, modality, probing, some)) for some in rows.split(_ROWS)]
    return torch.cat(parts)


def _likelihood(head: Head, modality: int, probing: Probing, rows: torch.Tensor) -> float:
    return float(_right(_logits(head, modality, probing, rows), probing.right[rows]).double().mean())


def _tempered(head: Head, modality: int, probing: Probing, stopping: torch.Tensor) -> Head:
    """The head at the temperature of highest likelihood (Guo et al., arXiv 1706.04599), of a fixed grid."""
    rows = stopping.nonzero()[:, 0]
    logits, right = _logits(head, modality, probing, rows), probing.right[rows]
    worth = [float(_right(logits / each, right).double().mean()) for each in TEMPERATURES]
    best = TEMPERATURES[worth.index(max(worth))]
    return replace(head.to(torch.device("cpu")), temperature=torch.tensor(best))


def _copy(head: Head) -> Head:
    return Head(**{name: tensor.clone() for name, tensor in head.tensors().items()})
