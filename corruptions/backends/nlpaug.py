"""nlpaug: its offline augmenters under the catalogue's names and at the catalogue's shares.

The package takes a text apart and puts it together in its own way even where it edits nothing: "don't"
becomes "don ' t", "3.5" becomes "3. 5", "<image>\\nUSER:" becomes "<image> USER:". A result differs from its
clean text by that too. Its own bounds hold: keyboard and random letters leave words under four letters alone.
Unlike ours, the edits of a lower severity are not among those of a higher one.

Protected words and template tokens are handed to it as its stop words, spelt as the text spells them, since
it compares with case. word_swap may still exchange one, or a part of it, with a neighbour that is free.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np

from corruptions.backends.state import seeded
from corruptions.catalogue import get
from corruptions.entry import DEFAULT_PROFILE, Value
from corruptions.errors import BackendError
from corruptions.text.protect import Protection, protection
from corruptions.text.tokens import MASK, edit_count, find_words, gaps

__all__ = ["corrupt"]

_CHARACTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "keyboard": ("keyboard.KeyboardAug", {}),
    "ocr": ("ocr.OcrAug", {}),
    "char_insert": ("random.RandomCharAug", {"action": "insert"}),
    "char_replace": ("random.RandomCharAug", {"action": "substitute"}),
    "char_swap": ("random.RandomCharAug", {"action": "swap"}),
    "char_delete": ("random.RandomCharAug", {"action": "delete"}),
}
_WORDS: dict[str, tuple[str, dict[str, Any]]] = {
    "spelling": ("spelling.SpellingAug", {}),
    "word_swap": ("random.RandomWordAug", {"action": "swap"}),
    "word_delete": ("random.RandomWordAug", {"action": "delete"}),
    "word_split": ("split.SplitAug", {}),
    "word_mask": ("random.RandomWordAug", {"action": "substitute", "target_words": [MASK]}),
}
#: Letters or words that one edit touches, where it is not one.
_PER_EDIT = {"char_swap": 2, "word_swap": 2}


def corrupt(
    text: str, name: str, severity: int, rng: np.random.Generator, protect: frozenset[str] | None
) -> str:
    """The package's text; everything that it draws comes from `rng`."""
    if not text.strip():
        return ""  # the package answers [] or strips the text
    shares = get(name).parameters[DEFAULT_PROFILE]
    guard = protection(protect)
    with seeded(rng):
        try:
            augmenter = _augmenter(name)
            tokens: list[str] = augmenter.tokenizer(text.strip())
            augmenter.stopwords = _protected(text, augmenter, guard)
            adjust = _adjust_characters if name in _CHARACTERS else _adjust_words
            adjust(augmenter, tokens, shares, severity, name)
            found = augmenter.augment(text)
        except Exception as error:
            raise BackendError("nlpaug", name, f"{type(error).__name__}: {error}") from error
    return str(found[0]) if found else ""


@cache
def _augmenter(name: str) -> Any:
    kind, (where, options) = ("char", _CHARACTERS[name]) if name in _CHARACTERS else ("word", _WORDS[name])
    module, _, made = where.partition(".")
    augmenter = getattr(import_module(f"nlpaug.augmenter.{kind}.{module}"), made)(**options)
    if name == "spelling":
        # The package lists misspellings in the order of a set, which differs from process to process.
        augmenter.model = copy.copy(augmenter.model)
        augmenter.model.dict = {word: sorted(found) for word, found in augmenter.model.dict.items()}
    return augmenter


def _protected(text: str, augmenter: Any, guard: Protection) -> frozenset[str]:
    """The package's tokens of what is protected here, template tokens too, as this text spells them."""
    spared = [text[word.start : word.end] for word in find_words(text, guard) if not word.free]
    stretches = list(gaps(text))
    spared += [text[end:start] for (_, end), (start, _) in pairwise(stretches)]
    return frozenset(token for word in spared for token in augmenter.tokenizer(word))


def _adjust_characters(
    augmenter: Any, tokens: Sequence[str], shares: tuple[Value, ...], severity: int, name: str
) -> None:
    """As many words, and as large a share of each one's letters, as make the severity's number of edits."""
    per_edit = _PER_EDIT.get(name, 1)
    lengths = [len(tokens[i]) for i in augmenter.pre_skip_aug(tokens)]
    letters = max(1, sum(lengths))
    edits = edit_count(letters, shares, severity, per_edit=per_edit, limit=max(1, letters // (2 * per_edit)))
    share = edits / letters
    # The package rounds a word's share up: fewer words then make up for it.
    in_all = max(1, sum(math.ceil(share * length) for length in lengths))
    augmenter.aug_char_p, augmenter.aug_char_min, augmenter.aug_char_max = share, 1, None
    _set_count(augmenter, "aug_word", round(edits * len(lengths) / in_all))


def _adjust_words(
    augmenter: Any, tokens: Sequence[str], shares: tuple[Value, ...], severity: int, name: str
) -> None:
    free = len(augmenter.skip_aug(augmenter.pre_skip_aug(tokens), tokens))
    limit = min(math.ceil(free * 2 / 3), len(tokens) - 1) if name == "word_delete" else free
    count = edit_count(free, shares, severity, per_edit=_PER_EDIT.get(name, 1), limit=limit)
    _set_count(augmenter, "aug", count)


def _set_count(augmenter: Any, what: str, count: int) -> None:
    """Exactly so many; at least one, which the package lowers to what there is."""
    setattr(augmenter, f"{what}_p", 1.0)
    setattr(augmenter, f"{what}_min", max(1, count))
    setattr(augmenter, f"{what}_max", max(1, count))
