"""Rows as public data sets have them, brought to the names and forms of ``local``.

A key's value may lie deeper: ``annotations.caption`` goes into dictionaries and through lists. Read are

    answers    a text, a whole number, a list of these, a list of dictionaries with one of INSIDE (VQA v2),
               or, where ``choices`` are given, the number of the right one from 0, its letter or its text
    choices    a list of texts: the question then lists them with letters, and right are the letter, the text
               and both together
    captions   as answers, without choices

Everything else is as ``local`` has it.
"""

from __future__ import annotations

import string
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from dmsbench.data.row_files import KEYS
from dmsbench.errors import DataError, UnknownNameError
from dmsbench.tasks.vqa import normalise

#: The keys that ``columns`` of public data may name.
FOREIGN_KEYS = (*KEYS, "choices")
#: What of a dictionary is the text, the first that is there.
INSIDE = ("answer", "caption", "text", "raw", "sentence", "value")
#: Answers or captions of one row: a list that is longer is something else.
MOST_ANSWERS = 1000
#: Options that a question can have: each has a letter.
LETTERS = string.ascii_uppercase
#: Characters of a text that is kept once however often it is said.
_SHORT = 64
_TEXTS = ("answers", "answer", "captions", "caption")


def check_columns(
    where: str, present: Sequence[str], columns: Mapping[str, str], needed: Sequence[Sequence[str]]
) -> None:
    """Raises DataError where a column that is named or needed is not there: of each of ``needed`` one is.

    ``where`` is what the message begins with.
    """
    for key, name in columns.items():
        if name not in present and name.partition(".")[0] not in present:
            raise DataError(
                f"{where}: columns: {key}: {UnknownNameError('column', name, present)}; the columns are "
                f"{', '.join(present)}"
            )
    for keys in needed:
        if not any(key in columns or key in present for key in keys):
            raise DataError(
                f"{where}: no column '{keys[0]}'; the columns are {', '.join(present)}: a suite's "
                "dataset.columns says which is which"
            )


def column_of(key: str, columns: Mapping[str, str], present: Sequence[str]) -> str | None:
    """The whole column that a key is read from, None where the data have none for it."""
    name = columns.get(key, key)
    if name in present:
        return name
    head = name.partition(".")[0]
    return head if key in columns and head in present else None


def own_row(row: dict[str, Any], columns: Mapping[str, str]) -> Mapping[str, Any] | str:
    """A row under the names of ``local``, or why it cannot be used."""
    found = {}
    for key in FOREIGN_KEYS:
        name = columns.get(key, key)
        value = row.get(name)
        if value is None and "." in name:
            value = _at(row, name)
        if value is not None:
            found[key] = value
    choices = found.pop("choices", None)
    if choices is not None:
        key = "answers" if "answers" in found else "answer"
        return _chosen(found, choices, found.get(key))
    for key in _TEXTS:
        if key in found:
            found[key] = _texts(found[key])
            if isinstance(found[key], list) and len(found[key]) > MOST_ANSWERS:
                return f"{key} has {len(found[key]):,} entries; at most {MOST_ANSWERS:,} are read"
    return found


def _at(value: Any, name: str) -> Any:
    """What a row has under a name: of a whole column, else step by step behind the dots."""
    if isinstance(value, dict) and name in value:
        return value[name]
    head, dot, rest = name.partition(".")
    if isinstance(value, list):
        inside = [_at(one, name) for one in value]
        return [one for one in inside if one is not None]
    if not dot or not isinstance(value, dict) or head not in value:
        return None
    return _at(value[head], rest)


def _texts(value: Any) -> Any:
    """Texts in whichever form they come; what is in none of these stays, for ``local`` to blame."""
    if isinstance(value, str):
        # Millions of answers are a few thousand words.
        return sys.intern(value) if len(value) <= _SHORT else value
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        inside = next((value[key] for key in INSIDE if value.get(key) is not None), None)
        return value if inside is None else _texts(inside)
    if isinstance(value, list):
        found = []
        for one in value:
            told = _texts(one)
            found += told if isinstance(told, list) else [told]
        return found
    return value


def _chosen(row: dict[str, Any], choices: Any, answer: Any) -> Mapping[str, Any] | str:
    """A question with options, the right one by its letter and, where no other is called so, its text."""
    if not isinstance(choices, list) or not all(isinstance(text, str) and text.strip() for text in choices):
        return "choices is not a list of texts"
    if not 2 <= len(choices) <= len(LETTERS):
        return f"{len(choices)} choices; from 2 to {len(LETTERS)} can be asked"
    number = _number(choices, answer)
    if number is None:
        return "no answers" if answer is None else "the answer is none of the choices"
    letters = LETTERS[: len(choices)]
    letter, text = letters[number], choices[number].strip()
    right = [letter, text, f"{letter}. {text}"]
    others = [*(other for other in letters if other != letter)]
    others += [other for at, other in enumerate(choices) if at != number]
    if normalise(text) in {normalise(other) for other in others}:
        right.remove(text)
    listed = "\n".join(f"{mark}. {option.strip()}" for mark, option in zip(letters, choices, strict=True))
    question = row.get("question")
    if isinstance(question, str) and question.strip():
        row["question"] = f"{question.strip()}\n{listed}"
    return {key: value for key, value in row.items() if key != "answer"} | {"answers": right}


def _number(choices: Sequence[str], answer: Any) -> int | None:
    """Which choice is right, from 0: given by its number, else its text, else its letter."""
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if isinstance(answer, bool):
        return None
    if isinstance(answer, int):
        return answer if 0 <= answer < len(choices) else None
    if not isinstance(answer, str):
        return None
    exact = [at for at, choice in enumerate(choices) if choice.strip() == answer.strip()]
    if exact:
        return exact[0] if len(exact) == 1 else None
    at = LETTERS.find(answer.strip().upper()) if len(answer.strip()) == 1 else -1
    return at if 0 <= at < len(choices) else None
