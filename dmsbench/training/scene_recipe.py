"""The settings of the recipe of ``tiny-llava-scenes`` and ``tiny-blip2-scenes``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dmsbench.errors import DataError
from dmsbench.training.optimiser import Rates

#: Both of what a training may be: on clean data, or half of it corrupted.
REGIMES = ("clean", "augmented")
#: The model types that the recipe trains.
FAMILIES = ("llava", "blip-2")
#: Steps of stage 1 that are enough: queries first have to find their places among the patches.
TOWER_STEPS = {"llava": 600, "blip-2": 1600}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, beside the code."""

    #: llava or blip-2.
    family: str = "llava"
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
        if self.family not in FAMILIES:
            raise DataError(f"no recipe for the family '{self.family}': use one of {', '.join(FAMILIES)}")
        if not 0 <= self.absent_share <= 0.5:
            raise DataError(f"absent share {self.absent_share}: use 0 to 0.5, it is taken twice")

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "curriculum": list(self.curriculum)}

    def most_things(self, step: int) -> int | None:
        """The most things that a scene of this reading step has, None for no bound but the level's."""
        first, second = (share * self.reading_steps for share in self.curriculum)
        return 1 if step < first else 2 if step < second else None
