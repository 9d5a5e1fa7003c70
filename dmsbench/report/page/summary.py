"""A run in a few sentences: which model holds up best, what breaks it, and what the comparison says."""

from __future__ import annotations

from dmsbench.plain_text import one_line
from dmsbench.report.formats import interval, points, rate, signed_points, with_interval
from dmsbench.report.leaderboard import LeaderboardRow
from dmsbench.report.run_scores import PairScores, RunScores
from dmsbench.scores import Scorecard, Verdict

_WORST = 3
"""So many corruptions are named as those that cost most."""


def summary(found: RunScores) -> list[str]:
    """Plain text, a sentence or two each."""
    ranked = [row for row in found.board.rows if row.rank is not None]
    if not ranked:
        return ["No corrupted condition has a score, so nothing can be said of robustness."]
    best = ranked[0]
    card = found.cards[best.model]
    lines = [_best(found, best, ranked[1:]), _cost(card, best.model), *_scheduled(found)]
    lines += _errors(found)
    return lines


def _best(found: RunScores, best: LeaderboardRow, others: list[LeaderboardRow]) -> str:
    cells = sum(not cell.condition.is_clean for cell in found.cards[best.model].conditions)
    text = (
        f"{one_line(best.model)} scores {with_interval(best.mean)} on the mean over {cells} corrupted "
        f"conditions and {with_interval(best.clean)} without corruption"
    )
    if not others:
        return f"{text}."
    level = [other.model for other in others if not _beats(found, best.model, other.model)]
    beaten = len(others) - len(level)
    if beaten == len(others):
        return f"{text}: more than {'every other model' if beaten > 1 else one_line(others[0].model)}."
    told = f"{text}. It is not told apart from {_list(level)} by the paired test"
    return (
        f"{told}; {beaten} other model{' is' if beaten == 1 else 's are'} behind." if beaten else f"{told}."
    )


def _beats(found: RunScores, a: str, b: str) -> bool:
    """Whether the paired comparison says that ``a`` is better on the mean; no comparison says nothing."""
    for pair in found.pairs:
        overall = pair.comparison.overall
        if overall is not None and {pair.a, pair.b} == {a, b}:
            return overall.verdict is (Verdict.A_BETTER if pair.a == a else Verdict.B_BETTER)
    return False


def _cost(card: Scorecard, model: str) -> str:
    scored = [one for one in card.corruptions if one.mean.defined]
    lowest = sorted(scored, key=lambda one: one.mean.value)[:_WORST]
    named = _list([f"{one.name} ({points(one.mean.value)})" for one in lowest])
    text = f"What costs {one_line(model)} most, on the mean over severities: {named}"
    if card.worst is not None:
        text += f"; its lowest condition is {card.worst.condition} ({with_interval(card.worst.score)})"
    return f"{text}."


def _scheduled(found: RunScores) -> list[str]:
    """What each scheduled model gains over static fusion."""
    lines = []
    for one in found.scheduled:
        pair = _pair(found, one.static, one.model)
        if pair is None or pair.comparison.overall is None:
            continue
        overall = pair.comparison.overall
        turned = pair.a == one.model
        difference = -overall.difference if turned else overall.difference
        low, high = (-overall.ci_high, -overall.ci_low) if turned else (overall.ci_low, overall.ci_high)
        verdict = {
            True: "no significant difference",
            False: "better" if difference > 0 else "worse",
        }[overall.verdict is Verdict.NO_DIFFERENCE]
        between = interval(low, high, signed=True)
        text = (
            f"{one_line(one.model)} − {one_line(one.static or '')}, static fusion of the same checkpoint: "
            f"{signed_points(difference)} points {between}, {verdict}"
        )
        room = one.headroom
        if room is not None and room.closed.defined:
            text += (
                f"; that is {with_interval(room.closed)} per cent of what the best fixed weights would gain"
            )
        lines.append(f"{text}.")
    return lines


def _pair(found: RunScores, a: str | None, b: str) -> PairScores | None:
    return next((pair for pair in found.pairs if {pair.a, pair.b} == {a, b}), None)


def _errors(found: RunScores) -> list[str]:
    failing = [row for row in found.board.rows if row.n_errors]
    lines = [
        f"{one_line(row.model)}: {rate(row.error_rate)} of its records are errors, in no score."
        for row in failing
    ]
    if found.unfinished:
        lines.append(f"Not finished, so not here: {_list(list(found.unfinished))}.")
    return lines


def _list(names: list[str]) -> str:
    shown = [one_line(name) for name in names]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
