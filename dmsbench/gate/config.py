"""What a gate demands: tolerances, rules and floors by score, family and corruption, and limits.

Every setting is looked up from the most specific place that has it, each on its own: the block of the very
check, then those of the families that the check's corruption is of, then the score's own, then the same
three outside of any score's block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from dmsbench.errors import DmsbenchError, UnknownNameError
from dmsbench.families import by_family, condition_family
from dmsbench.grid import Condition
from dmsbench.score_names import SCORES

DEFAULT_TOLERANCE = 0.02

Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
RuleName = Literal["regression", "non-inferiority"]
CheckSet = Literal["overall", "clean", "families", "corruptions"]


class Rule(str, Enum):
    """When a check of a score fails: see ``evaluate``."""

    REGRESSION = "regression"
    NON_INFERIORITY = "non-inferiority"

    def __str__(self) -> str:
        return self.value


class Part(str, Enum):
    """Which conditions a check of a score looks at."""

    OVERALL = "overall"
    CLEAN = "clean"
    FAMILY = "family"
    CORRUPTION = "corruption"

    def __str__(self) -> str:
        return self.value


class _Strict(BaseModel):
    """Takes no key that it does not know and no value of another type, and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CheckSettings(_Strict):
    """Of one check: what is not said here is looked up where it is said more generally."""

    tolerance: Share | None = None
    rule: RuleName | None = None
    floor: Share | None = None


class ScoreSettings(CheckSettings):
    """Of one score."""

    clean: CheckSettings = CheckSettings()
    overall: CheckSettings = CheckSettings()
    family: dict[str, CheckSettings] = Field(default_factory=dict)
    corruption: dict[str, CheckSettings] = Field(default_factory=dict)


class Limits(_Strict):
    """What no score shows: errors, conditions that are not there, time."""

    error_rate: Share | None = None
    error_rate_rise: Share = 0.01
    missing_conditions: int = Field(default=0, ge=0)
    time_ratio: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)


class GateConfig(ScoreSettings):
    """A whole configuration; without a file it is this one, of defaults."""

    tolerance: Share = DEFAULT_TOLERANCE
    rule: RuleName = "regression"
    checks: tuple[CheckSet, ...] = Field(default=("overall", "clean", "corruptions"), strict=False)
    limits: Limits = Limits()
    score: dict[str, ScoreSettings] = Field(default_factory=dict)
    _where: str = PrivateAttr(default="the gate's configuration")

    @field_validator("score")
    @classmethod
    def _known(cls, score: dict[str, ScoreSettings]) -> dict[str, ScoreSettings]:
        known = [name for names in SCORES.values() for name in names]
        for name in score:
            if name not in known:
                raise ValueError(str(UnknownNameError("score", name, known)))
        return score

    @property
    def where(self) -> str:
        """How messages name it."""
        return self._where

    def named(self, where: str) -> GateConfig:
        """The same under a name for messages."""
        found = self.model_copy()
        found._where = where
        return found

    def with_tolerance(self, tolerance: float) -> GateConfig:
        """With another general tolerance; more specific ones stay. Raises DmsbenchError outside [0, 1]."""
        if not 0.0 <= tolerance <= 1.0:
            raise DmsbenchError(
                f"the tolerance must lie between 0 and 1 (0.02 is two points), not {tolerance}"
            )
        return self.model_copy(update={"tolerance": float(tolerance)}).named(self.where)


@dataclass(frozen=True, slots=True)
class Planned:
    """A check to be made, with what holds for it."""

    score: str
    part: Part
    name: str
    """``overall``, ``clean``, a family or a corruption."""
    tolerance: float
    rule: Rule
    floor: float | None


def plan(
    config: GateConfig, score: str, conditions: Sequence[Condition], known: Sequence[Condition]
) -> tuple[Planned, ...]:
    """The checks of one score on these conditions: clean, overall, families, corruptions.

    A family or corruption that has a block of its own is checked whether or not ``checks`` lists its kind.
    ``known``: all conditions of the reference. Raises UnknownNameError for a block of what is not among them.
    """
    own = config.score.get(score)
    blocks: list[ScoreSettings] = [*([own] if own is not None else []), config]
    _check_names(config, known)
    families = by_family(conditions)
    corruptions: dict[str, tuple[str, ...]] = {}
    for condition in conditions:
        if not condition.is_clean:
            family = condition_family(condition)
            held = corruptions.setdefault(condition.corruption, ())
            if family is not None and family not in held:
                corruptions[condition.corruption] = (*held, family)
    named = {name for block in blocks for name in (*block.family, *block.corruption)}

    def wanted(kind: CheckSet, names: Iterable[str]) -> list[str]:
        return [name for name in names if kind in config.checks or name in named]

    found: list[Planned] = []
    if any(condition.is_clean for condition in conditions) and "clean" in config.checks:
        found.append(_planned(blocks, score, Part.CLEAN, "clean", ()))
    if corruptions and "overall" in config.checks:
        found.append(_planned(blocks, score, Part.OVERALL, "overall", ()))
    found += [_planned(blocks, score, Part.FAMILY, name, ()) for name in wanted("families", families)]
    found += [
        _planned(blocks, score, Part.CORRUPTION, name, corruptions[name])
        for name in wanted("corruptions", sorted(corruptions))
    ]
    return tuple(found)


def _planned(
    blocks: Sequence[ScoreSettings], score: str, part: Part, name: str, families: Sequence[str]
) -> Planned:
    layers = [layer for block in blocks for layer in _layers(block, part, name, families)]

    def first(key: str) -> float | str | None:
        return next((value for layer in layers if (value := getattr(layer, key)) is not None), None)

    tolerance, rule, floor = first("tolerance"), first("rule"), first("floor")
    return Planned(
        score=score,
        part=part,
        name=name,
        tolerance=DEFAULT_TOLERANCE if tolerance is None else float(tolerance),
        rule=Rule(rule),
        floor=None if floor is None else float(floor),
    )


def _layers(block: ScoreSettings, part: Part, name: str, families: Sequence[str]) -> Iterator[CheckSettings]:
    """The settings of a block that hold for a check, the most specific first."""
    if part is Part.OVERALL:
        yield block.overall
    elif part is Part.CLEAN:
        yield block.clean
    elif part is Part.FAMILY:
        yield block.family.get(name, CheckSettings())
    else:
        yield block.corruption.get(name, CheckSettings())
        yield from (block.family[family] for family in families if family in block.family)
    yield block


def _check_names(config: GateConfig, known: Sequence[Condition]) -> None:
    blocks: Mapping[str, ScoreSettings] = {
        "": config,
        **{f"score.{name}.": one for name, one in config.score.items()},
    }
    corruptions = sorted({condition.corruption for condition in known if not condition.is_clean})
    families = list(by_family(known))
    for at, block in blocks.items():
        for kind, names, held in (
            ("corruption", block.corruption, corruptions),
            ("family", block.family, families),
        ):
            for name in names:
                if name not in held:
                    word = f"{kind} of the reference's run"
                    raise DmsbenchError(f"{config.where}: {at}{kind}: {UnknownNameError(word, name, held)}")
