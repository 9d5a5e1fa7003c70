"""Rivals from collected evidence: fitted, chosen and measured on rows that are kept apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dmsbench.errors import ModelError
from dmsbench.fusion.objective import condition_weights, mean_log_likelihood
from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Evidence
from dmsbench.fusion.rule import PointRule
from dmsbench.models.fitted_rivals import RIVALS_FILE, FittedRivals, load_rivals
from dmsbench.training.collect import Collected
from dmsbench.training.rivals import Split, chosen_rule, fit_rivals, rival_figures

POINTS, ROWS, OUTCOMES = CORNERS_AND_UNIFORM, 600, 4


def collected(seed: int = 0, *, boast: float = 1.0) -> Collected:
    """One corner is right and sure, the other guesses; ``boast`` sharpens what the image says."""
    draw = torch.Generator().manual_seed(seed)
    answer = torch.randint(OUTCOMES, (ROWS,), generator=draw)
    good = torch.randint(2, (ROWS,), generator=draw)
    logits = torch.randn(ROWS, 3, OUTCOMES, generator=draw)
    at = torch.arange(ROWS)
    logits[at, good, answer] += 4.0
    logits[:, 2] = logits[:, :2].mean(dim=1)
    logits[:, 0] *= boast
    probabilities = logits.softmax(dim=2)
    right = torch.nn.functional.one_hot(answer, OUTCOMES).bool()
    return Collected(
        Evidence(probabilities, torch.zeros(ROWS, 3), torch.zeros(ROWS), energy=logits.logsumexp(dim=2)),
        torch.zeros(ROWS, 1),
        torch.zeros(ROWS, 1),
        (probabilities * right[:, None]).sum(dim=2).log(),
        right,
        tuple(f"g{row // 2}" for row in range(ROWS)),
        tuple(("clean", "fog@3")[row % 2] for row in range(ROWS)),
    )


@pytest.fixture(scope="module")
def split() -> Split:
    at = torch.arange(ROWS)
    return Split(at < 400, (at >= 400) & (at < 500), at >= 500)


def made(found: Collected, split: Split) -> FittedRivals:
    shares = torch.tensor([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]])[torch.arange(ROWS) % 2]
    return fit_rivals(found, found.evidence, shares, (0.5, 0.5, 0.0), split, POINTS, 0)


def test_only_their_own_rows_are_looked_at(split: Split) -> None:
    """Nothing hangs on measured rows, what is chosen not on training rows, the heads on those alone."""
    one, other = collected(), collected(1)

    def swapped(rows: torch.Tensor) -> Collected:
        def pick(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return torch.where(rows.reshape(-1, *[1] * (a.ndim - 1)), b, a)

        evidence = replace(
            one.evidence,
            probabilities=pick(one.evidence.probabilities, 1 / OUTCOMES + 0 * other.evidence.probabilities),
        )
        return replace(one, evidence=evidence, right=pick(one.right, other.right))

    plain = made(one, split)
    assert made(swapped(split.measured), split) == plain
    trained = made(swapped(split.training), split)
    assert (trained.rule, trained.late) == (plain.rule, plain.late) and trained.pdf != plain.pdf
    stopped = made(swapped(split.stopping), split)
    assert stopped.pdf == plain.pdf and stopped.rule != plain.rule


def test_the_rule_is_the_best_of_its_grid(split: Split) -> None:
    found = collected(boast=6.0)
    rule = chosen_rule(found, found.evidence, split.stopping, POINTS)
    rows = split.stopping
    families = [family for family, use in zip(found.families, rows.tolist(), strict=True) if use]

    def worth(rule: PointRule) -> float:
        shares = rule.mixture(found.evidence.rows(rows))
        return mean_log_likelihood(shares, found.log_likelihood[rows].clamp_min(-27.6), families)

    for other in (PointRule(0, 0), PointRule(5, 0), replace(rule, temperatures=()), replace(rule, alpha=1.0)):
        assert worth(rule) >= worth(other) - 1e-12
    assert len(rule.temperatures) == 3, "a corner that boasts has to be calibrated"
    assert rule.temperatures[0] > 3 * rule.temperatures[1]
    # Rows without a right outcome say nothing of temperatures; the rule is still chosen.
    unknown = replace(found, right=torch.zeros_like(found.right))
    assert chosen_rule(unknown, unknown.evidence, rows, POINTS).temperatures == ()


def test_the_bank_holds_shares_of_rows_outside_training(split: Split) -> None:
    found = collected()
    shares = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])[(~split.training).long()]
    rivals = fit_rivals(found, found.evidence, shares, (0.0, 0.0, 1.0), split, POINTS, 0)
    assert set(rivals.permuted.shares) == {(0.0, 1.0, 0.0)} and len(rivals.permuted) == 200
    assert set(rivals.permuted.conditions) == {"clean", "fog@3"}
    assert rivals.constant.shares == ((0.0, 0.0, 1.0),)


def test_figures_by_hand(split: Split) -> None:
    found = collected()
    figures = rival_figures(made(found, split), found, found.evidence, split, POINTS)
    assert len(figures) == 4 + 2 * (2 * 4 + 1)
    rows = split.measured
    said = found.evidence.probabilities[rows, :2].mean(dim=1)
    hits = found.right[rows].gather(1, said.argmax(dim=1, keepdim=True))[:, 0].double()
    conditions = [c for c, use in zip(found.conditions, rows.tolist(), strict=True) if use]
    assert figures["constant"]["accuracy"] == round(float(hits @ condition_weights(conditions)), 4)
    gain = (0.5 * found.log_likelihood[rows, :2].exp().sum(dim=1)).log().double()
    expected = float(gain @ condition_weights(conditions))
    assert figures["constant"]["log_likelihood"] == pytest.approx(expected, abs=1e-3)
    assert (
        "log_likelihood" not in figures["late/logit/corners"] and "temperature" in figures["late/logit/all"]
    )
    # Whoever is sure is right here: confidence must help, and shares of other rows must not.
    assert figures["rule"]["log_likelihood"] > figures["constant/likelihood"]["log_likelihood"] + 0.05
    assert figures["rule"]["log_likelihood"] > figures["permuted"]["log_likelihood"] + 0.05


def test_what_is_saved_is_what_is_loaded(split: Split, tmp_path: Path) -> None:
    rivals = made(collected(), split)
    rivals.save(tmp_path, "abc")
    assert load_rivals(tmp_path, "abc", POINTS) == rivals


def test_a_file_that_lacks_a_rival_is_refused(split: Split, tmp_path: Path) -> None:
    made(collected(), split).save(tmp_path, "abc")
    for kind, missing in (("pdf", "all"), ("late", "logit")):
        card = json.loads((tmp_path / RIVALS_FILE).read_text())
        del card[kind][missing]
        folder = tmp_path / kind
        folder.mkdir()
        (folder / RIVALS_FILE).write_text(json.dumps(card))
        with pytest.raises(ModelError, match="lacks some of the rivals"):
            load_rivals(folder, "abc", POINTS)
