"""What can be asked and said of a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from corruptions import Topic
from dmsbench.data.scenes.world import COLOURS, SHAPES, SIZES, Scene, Thing

KINDS = ("exists", "count", "attribute", "relation", "compare")
#: Every answer that a question can have.
ANSWERS = ("yes", "no", *(str(n) for n in range(6)), *COLOURS, *SHAPES, *SIZES)


#: Asks for all of the evidence in a sentence: what captioning asks.
TELL = "what is there?"


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answer, its kind and what it is about."""

    text: str
    answer: str
    kind: str
    about: tuple[Topic, ...]


def questions(scene: Scene, rng: np.random.Generator, count: int) -> tuple[Question, ...]:
    """``count`` different questions or, where fewer can be asked, all; kinds in equal shares where they can.

    Yes and no are equally frequent in what yes or no can answer.
    """
    found: dict[str, Question] = {}
    kinds = [KINDS[i] for i in rng.permutation(len(KINDS))]
    for attempt in range(8 * count):
        if len(found) == count:
            break
        asked = _ASK[kinds[attempt % len(kinds)]](scene, rng)
        if asked is not None:
            found.setdefault(asked.text, asked)
    return tuple(found.values())


def context(scene: Scene, rng: np.random.Generator, mentioned: float = 0.9) -> str:
    """A sentence that carries part of the evidence: most things, size and place where they come in.

    Each thing is named with a chance of ``mentioned`` (at least one is), its size and its place with a
    chance of 3/4 each.
    """
    named = [thing for thing in scene.things if rng.random() < mentioned]
    if not named:
        named = [scene.things[int(rng.integers(len(scene.things)))]]
    parts = []
    for thing in named:
        size = f"{thing.size} " if rng.random() < 0.75 else ""
        place = f" at the {thing.place}" if rng.random() < 0.75 else ""
        parts.append(f"a {size}{thing.name}{place}")
    return " and ".join(parts)


def caption(scene: Scene) -> str:
    """All of the evidence in a sentence."""
    return " and ".join(f"a {thing.size} {thing.name} at the {thing.place}" for thing in scene.things)


def _pick(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.integers(len(items)))]


def _two(scene: Scene, rng: np.random.Generator) -> tuple[Thing, Thing] | None:
    if len(scene.things) < 2:
        return None
    first, second = rng.choice(len(scene.things), size=2, replace=False).tolist()
    return scene.things[first], scene.things[second]


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


def _exists(scene: Scene, rng: np.random.Generator) -> Question | None:
    there = {(thing.colour, thing.shape) for thing in scene.things}
    truth = rng.random() < 0.5
    thing = scene.things[int(rng.integers(len(scene.things)))]
    colour, shape = thing.colour, thing.shape
    if not truth:
        # One word off: neither the colour nor the shape alone gives it away.
        free = [s for s in SHAPES if (colour, s) not in there]
        if rng.random() < 0.5 or not free:
            colour = _pick(rng, [c for c in COLOURS if (c, shape) not in there])
        else:
            shape = _pick(rng, free)
    return Question(f"is there a {colour} {shape}?", _yes(truth), "exists", ("colour", "count"))


def _count(scene: Scene, rng: np.random.Generator) -> Question | None:
    way = int(rng.integers(3))
    if way == 0:
        return Question("how many shapes are there?", str(len(scene.things)), "count", ("count",))
    there = rng.random() < 0.7
    thing = scene.things[int(rng.integers(len(scene.things)))]
    if way == 1:
        shape = thing.shape if there else _pick(rng, SHAPES)
        number = sum(other.shape == shape for other in scene.things)
        plural = "crosses" if shape == "cross" else f"{shape}s"
        return Question(f"how many {plural} are there?", str(number), "count", ("count",))
    colour = thing.colour if there else _pick(rng, COLOURS)
    number = sum(other.colour == colour for other in scene.things)
    return Question(f"how many {colour} shapes are there?", str(number), "count", ("colour", "count"))


def _attribute(scene: Scene, rng: np.random.Generator) -> Question | None:
    thing = scene.things[int(rng.integers(len(scene.things)))]
    way = int(rng.integers(4))
    if way == 0 and sum(other.shape == thing.shape for other in scene.things) == 1:
        return Question(f"what colour is the {thing.shape}?", thing.colour, "attribute", ("colour",))
    if way == 1 and sum(other.colour == thing.colour for other in scene.things) == 1:
        return Question(f"what shape is {thing.colour}?", thing.shape, "attribute", ("colour",))
    if way == 2:
        return Question(f"how large is the {thing.name}?", thing.size, "attribute", ("colour", "size"))
    if way == 3:
        return Question(
            f"what colour is the shape at the {thing.place}?",
            thing.colour,
            "attribute",
            ("colour", "position"),
        )
    return None


def _relation(scene: Scene, rng: np.random.Generator) -> Question | None:
    pair = _two(scene, rng)
    if pair is None:
        return None
    first, second = pair
    if rng.random() < 0.5:
        words, gap = ("left of", "right of"), second.column - first.column
    else:
        words, gap = ("above", "below"), second.row - first.row
    if gap == 0:
        return None
    way = int(rng.integers(2))
    truth = (gap > 0) == (way == 0)
    return Question(
        f"is the {first.name} {words[way]} the {second.name}?",
        _yes(truth),
        "relation",
        ("colour", "position"),
    )


def _compare(scene: Scene, rng: np.random.Generator) -> Question | None:
    pair = _two(scene, rng)
    if pair is None:
        return None
    first, second = pair
    if first.size == second.size:
        # Of equal things neither is larger; few of these, so that yes and no stay about even.
        if rng.random() < 0.9:
            return None
        return Question(
            f"is the {first.name} larger than the {second.name}?", "no", "compare", ("colour", "size")
        )
    truth = rng.random() < 0.55
    large, small = (first, second) if first.size == "large" else (second, first)
    one, other = (large, small) if truth else (small, large)
    return Question(
        f"is the {one.name} larger than the {other.name}?", _yes(truth), "compare", ("colour", "size")
    )


_ASK = {
    "exists": _exists,
    "count": _count,
    "attribute": _attribute,
    "relation": _relation,
    "compare": _compare,
}
