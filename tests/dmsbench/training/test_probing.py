"""Probes fitted on made-up tokens that hold the answer, and what keeps them from flattering themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from dmsbench.errors import DataError
from dmsbench.fusion.probe import ProbeInput
from dmsbench.models.base import Prompt
from dmsbench.training import tokens as token_store
from dmsbench.training.folds import dealt
from dmsbench.training.probing import (
    ProbeSettings,
    Probing,
    fit_probes,
    probe_signals,
    probed,
    text_signatures,
)
from dmsbench.training.tokens import Tokens, as_tensors, check_size, from_tensors, joined

pytestmark = pytest.mark.usefixtures("one_thread")
ROWS, WORDS, WIDTH = 240, 6, 16
FAST = ProbeSettings(width=16, hidden=32, epochs=20, folds=2, batch_rows=48, learning_rate=5e-3)


class Table:
    """An adapter that is an embedding table."""

    def __init__(self) -> None:
        self.table = torch.randn(2 * WORDS, WIDTH, generator=torch.Generator().manual_seed(3))

    def evidence_ids(self, prompts: Sequence[Prompt]) -> tuple[torch.Tensor, torch.Tensor]:
        raise NotImplementedError

    def embedded(
        self, image: torch.Tensor, picks: torch.Tensor, text: torch.Tensor, question: torch.Tensor
    ) -> ProbeInput:
        asked = self.table[question.long().clamp_min(0)].mean(dim=1)
        return ProbeInput(image, picks, self.table[text.long().clamp_min(0)], text >= 0, asked)


def made() -> tuple[Probing, torch.Tensor]:
    """Rows whose answer is the word at hand: in the image, and behind the word that is asked of."""
    generator = torch.Generator().manual_seed(0)
    table = Table()
    answer = torch.randint(0, WORDS, (ROWS,), generator=generator)
    image = torch.randn(ROWS, 3, WIDTH, generator=generator) * 0.3
    image += table.table[answer][:, None]
    text = torch.stack([torch.full((ROWS,), WORDS), answer], dim=1)
    right = torch.nn.functional.one_hot(answer, WORDS).bool()
    tokens = Tokens(image.half(), torch.arange(ROWS), text.int(), torch.full((ROWS, 1), WORDS).int())
    return Probing(table, tokens, right), answer


def split() -> tuple[torch.Tensor, torch.Tensor]:
    at = torch.arange(ROWS)
    return at < 160, (at >= 160) & (at < 200)


def accuracy(probabilities: torch.Tensor, answer: torch.Tensor, rows: torch.Tensor) -> list[float]:
    hits = probabilities.argmax(dim=2) == answer[:, None]
    return [float(share) for share in hits[rows].double().mean(dim=0)]


def test_they_learn_what_the_tokens_say_and_again_the_same() -> None:
    probing, answer = made()
    training, stopping = split()
    first, again = (fit_probes(probing, training, stopping, FAST) for _ in range(2))
    assert first.fingerprint == again.fingerprint
    found = probe_signals(first, probing, torch.arange(ROWS))
    image, text = accuracy(found.probabilities, answer, ~training & ~stopping)
    assert image > 0.8 and text > 0.8, "chance is a sixth"
    assert first.image.temperature > 0 and first.passes == FAST.passes and first.rate == FAST.dropout


def test_training_rows_are_measured_by_probes_that_have_not_seen_them() -> None:
    """Without a rule to be found, a head still learns its rows by heart; evidence must not show it."""
    probing, _ = made()
    generator = torch.Generator().manual_seed(1)
    answer = torch.randint(0, WORDS, (ROWS,), generator=generator)
    noise = torch.randn(ROWS, 3, WIDTH, generator=generator)
    probing = replace(
        probing,
        right=torch.nn.functional.one_hot(answer, WORDS).bool(),
        tokens=replace(probing.tokens, image=noise.half()),
    )
    training, _ = split()
    # Stopped on the very rows that are fitted: nothing keeps the heads from learning them by heart.
    eager = replace(FAST, epochs=40, batch_rows=16, dropout=0.05, weight_decay=0.0)
    groups = tuple(f"g{row}" for row in range(ROWS))
    done: list[tuple[int, int]] = []
    whole, evidence = probed(
        probing, torch.zeros(ROWS), groups, training, training, eager, lambda *how: done.append(how)
    )
    by_heart = accuracy(probe_signals(whole, probing, torch.arange(ROWS)).probabilities, answer, training)[0]
    fair = accuracy(evidence.probabilities, answer, training)[0]
    assert by_heart > fair + 0.2
    assert done == [(1, 3), (2, 3), (3, 3)]
    others = (~training).nonzero()[:, 0]
    expected = probe_signals(whole, probing, others).probabilities
    torch.testing.assert_close(evidence.probabilities[others], expected, atol=1e-5, rtol=1e-4)


def test_rows_without_a_right_outcome_teach_nothing() -> None:
    probing, _ = made()
    training, stopping = split()
    some = replace(probing, right=probing.right & (torch.arange(ROWS) % 3 > 0)[:, None])
    assert torch.isfinite(fit_probes(some, training, stopping, replace(FAST, epochs=1)).image.output).all()
    with pytest.raises(DataError, match="--limit"):
        fit_probes(replace(probing, right=torch.zeros_like(probing.right)), training, stopping, FAST)


def test_folds_keep_groups_together_and_share_out_the_first() -> None:
    groups = [f"g{row // 2}" for row in range(40)]
    fold = dealt(groups, {"g1", "g2", "g3"}, 3, seed=0)
    assert torch.equal(fold[::2], fold[1::2])
    assert sorted(int(fold[2 * group]) for group in (1, 2, 3)) == [0, 1, 2]
    assert torch.equal(fold.flip(0), dealt(groups[::-1], {"g1", "g2", "g3"}, 3, seed=0))


def test_parts_are_joined_row_by_row() -> None:
    first = Tokens(
        torch.rand(2, 3, 4).half(), torch.tensor([1, 0]), torch.tensor([[5], [6]]), torch.ones(2, 2)
    )
    second = Tokens(
        torch.rand(1, 3, 4).half(), torch.tensor([0]), torch.tensor([[7, 8, 9]]), torch.ones(1, 1)
    )
    whole = from_tensors(joined([as_tensors(first), as_tensors(second)]))
    assert whole.picks.tolist() == [1, 0, 2]
    assert whole.text.tolist() == [[5, -1, -1], [6, -1, -1], [7, 8, 9]]
    assert whole.question.tolist() == [[1, 1], [1, 1], [1, -1]]
    assert torch.equal(whole.image[2], second.image[0])


def test_a_rows_input_does_not_depend_on_its_company() -> None:
    probing, _ = made()
    one, many = (probing.tokens.rows(probing.adapter, torch.tensor(rows)) for rows in ([7], [3, 7, 9]))
    assert torch.equal(one.image[one.picks[0]], many.image[many.picks[1]])
    assert torch.equal(one.text[0], many.text[1])
    assert text_signatures(probing).shape == (ROWS, 2 * WIDTH)


def test_too_many_tokens_are_refused_before_they_are_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    part = {"image_tokens": torch.zeros(10, 4, 8).half()}
    check_size(part, 100)
    monkeypatch.setattr(token_store, "MOST_BYTES", 32_000)
    with pytest.raises(DataError, match="take 50% of the samples with --limit") as caught:
        check_size(part, 100)
    assert "\n" not in str(caught.value)
