"""Goes through a plan while the pictures of the next piece are being made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dmsbench.runner.ahead import Ahead
from dmsbench.runner.plan import Block, ImagePlan, Plan


class Lookahead:
    """``groups_of`` names the images that a piece needs, in the order in which it looks at them."""

    def __init__(self, ahead: Ahead | None, groups_of: Callable[[Block, ImagePlan], Sequence[str]]) -> None:
        self._ahead, self._groups_of = ahead, groups_of

    def over(self, plan: Plan) -> Iterator[tuple[Block, ImagePlan]]:
        """The plan's pieces, block by block."""
        pieces = ((block, image) for block in plan.blocks for image in plan.images)
        if self._ahead is None:
            yield from pieces
            return
        now = next(pieces, None)
        ticket = None if now is None else self._expect(self._ahead, now)
        while now is not None:
            following = next(pieces, None)
            coming = None if following is None else self._expect(self._ahead, following)
            yield now
            if ticket is not None:
                self._ahead.drop(ticket)
            now, ticket = following, coming

    def _expect(self, ahead: Ahead, piece: tuple[Block, ImagePlan]) -> int | None:
        groups = self._groups_of(*piece)
        return ahead.expect(groups, piece[1].image) if groups else None
