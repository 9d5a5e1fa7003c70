"""VQA v2's accuracy, and a match after the processing of answers that it is computed with.

Rules and tables are those of the official evaluation, github.com/GT-Vision-Lab/VQA at a013f00 (2018),
PythonEvaluationTools/vqaEvaluation/vqaEval.py, described at visualqa.org/evaluation.html. Its slips are kept,
since figures are compared with published ones: see ``processed`` and ``official_accuracy``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Enter the key of every record: a changed rule must not be mixed with old scores.
OFFICIAL_SIGNATURE = (
    "vqa_v2_official|norm:vqa_v2@a013f00,where_references_differ|"
    "references:10,fewer:leave_one_out,one:match|v1"
)
NORMALIZED_SIGNATURE = "vqa_v2_normalized|norm:vqa_v2@a013f00,emptied_kept|v1"

#: So many of the other annotators make an answer right.
AGREEING = 3

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_COMMA_IN_NUMBER = re.compile(r"\d,\d", re.ASCII)
_PERIOD = re.compile(r"\.(?!\d)", re.ASCII)
#: The official code hands a flag of this value over as the number of periods to remove.
_PERIODS = 32
_ARTICLES = frozenset({"a", "an", "the"})
_NUMBERS = {
    "none": "0",
    "zero": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
}
_CONTRACTED = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd
    he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've must've
    mustn't needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've
    somebody'd've somebody'll somebody's someone'd someone'd've someone'll someone's something'd
    something'd've something'll that's there'd there'd've there're there's they'd they'd've they'll they're
    they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's where'd where's where've
    who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't wouldn't've y'all
    y'all'd've y'all'll you'd you'd've you'll you're you've
"""


def _lacking_an_apostrophe(word: str) -> list[str]:
    return [word[:i] + word[i + 1 :] for i, letter in enumerate(word) if letter == "'"]


#: What lacks one apostrophe, and its contraction: the official table, without entries that change nothing or
#: hold a capital, which the lower-cased words never match. It has one the wrong way round.
CONTRACTIONS = {lacking: word for word in _CONTRACTED.split() for lacking in _lacking_an_apostrophe(word)} | {
    "somebody'd": "somebodyd"
}


def cleaned(answer: str) -> str:
    """The answer with blanks for tabs and line feeds, none at its ends; for ``official_accuracy`` always."""
    return answer.replace("\n", " ").replace("\t", " ").strip()


def processed(answer: str) -> str:
    """The answer as the official evaluation compares it.

    In lower case; marks removed where one of the kind stands beside a blank or where the answer has a comma
    between digits, else turned into blanks; a period kept before a digit; number words from none and zero to
    ten as digits; no articles; apostrophes put back. So "A" becomes empty, and "none" becomes "0". Processing
    twice changes nothing more, unless there are over 32 periods, of which 32 are removed.
    """
    text = cleaned(answer)
    number = _COMMA_IN_NUMBER.search(text) is not None
    removed = {mark for mark in _MARKS if number or f"{mark} " in text or f" {mark}" in text}
    spread = "".join("" if mark in removed else " " if mark in _MARKS else mark for mark in text)
    bare = _PERIOD.sub("", spread, count=_PERIODS)
    words = [_NUMBERS.get(word, word) for word in bare.lower().split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


def official_accuracy(prediction: str, references: Sequence[str]) -> float:
    """VQA v2's accuracy, in [0, 1]: min(1, matches / 3) averaged over all choices of all references but one.

    Of 10 references 0, 1, 2, 3 and 4 or more matches give 0, 0.3, 0.6, 0.9 and 1. Prediction and references
    are compared as ``processed`` where the references differ, else as they are but for blanks at their ends,
    which the authors meant for writing in the picture: then "Yes." does not match ten times "yes".

    Fewer than 10 references are scored by the same rule, so that two that match both give 1/3 and only four
    or more can give 1; use ``normalized_match`` for them. One is a plain match, 0 or 1. Raises ValueError
    without references.
    """
    if not references:
        raise ValueError("no reference answers")
    found, known = cleaned(prediction), [cleaned(reference) for reference in references]
    if len(set(known)) > 1:
        found, known = processed(found), [processed(reference) for reference in known]
    count, matches = len(known), known.count(found)
    if count == 1:
        return float(matches)
    # A matching reference left out leaves one match fewer. Whole numbers: 0.3 is 0.3.
    points = matches * min(AGREEING, matches - 1) + (count - matches) * min(AGREEING, matches)
    return points / (AGREEING * count)


def normalized_match(prediction: str, references: Sequence[str]) -> float:
    """1.0 where the prediction equals a reference after ``processed``, else 0.0.

    An answer that processing empties ("A", "?") is compared in lower case as it is, else it would match any
    other such answer. Raises ValueError without references.
    """
    if not references:
        raise ValueError("no reference answers")
    found = _kept(prediction)
    return float(any(found == _kept(reference) for reference in references))


def _kept(answer: str) -> str:
    return processed(answer) or cleaned(answer).lower()
