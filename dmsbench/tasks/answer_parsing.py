"""Reading the short answer out of a sentence, without looking at the references.

What is read is a piece of the answer as it was written; what no rule knows stays as it is. A rule that takes
too little leaves an answer wrong that was right in other words; one that takes too much makes answers of
words that were not meant. So the rules ask for whole sentences, and where a sentence can be meant in two ways
("There is a dog" as a yes, or as a dog) none is tried.
"""

from __future__ import annotations

import re

#: Enters the key of every record that is scored after parsing.
PARSING_SIGNATURE = "parse:v1"

#: Words of an answer that is taken out of a sentence about the picture, but for an article before them.
MOST_WORDS = 4

_IGNORE = re.IGNORECASE
_NUMBER = (
    r"(?:\d+(?:[.,]\d+)*|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen"
    r"|fifteen|sixteen|seventeen|eighteen|nineteen|twenty)"
)
_BE = r"(?:is|are|was|were)"
_VERB = r"(?:am|is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|might|must)"
_SUBJECT = r"(?:it|he|she|they|we|you|i|there|this|that|these|those)"
#: Words within a sentence. Begins with what is no blank, so that long runs of blanks cost no time.
_PIECE = r"[^.!?\s](?:[^.!?\n]*[^.!?\s])?"
_THINKING = re.compile(r"(?:i (?:think|believe|guess)(?: that)?|it (?:seems|appears) that)\s+(?=\w)", _IGNORE)

#: "The answer is: blue", "Final answer: blue". The last such sentence counts: what comes before is reasoning.
_LEAD = re.compile(
    r"(?:^|[.!?\n]\s*)(?:\**)(?:(?:so|therefore|thus|hence),?\s+)?"
    r"(?:(?:the|my)\s+)?(?:(?:final|correct|short|best|right)\s+)?answer"
    r"(?:\s+(?:is|would be|should be)\b(?:\**\s*:)?|\**\s*:)(?:\*\*)?"
    r"(?!\s*(?:not|never|cannot|unclear|unknown|impossible|that|what)\b)\s*(?P<rest>[^\n]*\S)",
    _IGNORE,
)
#: Where an answer after a lead ends: at a reason, or at the next sentence.
_REASON = re.compile(
    r",?\s(?:because|since)\s.*|[.!?]\s+(?:the|it|this|that|there|these|because|i|in)\s.*", _IGNORE
)
#: "B) red", "(B) red", "Option B"; after a lead also "B. red" and "B: red".
_CHOICE = re.compile(
    r"(?:\((?P<a>[A-H])\)|(?P<b>[A-H])\))(?:\s.*)?|(?i:option|choice) \(?(?P<c>[A-H])\)?[.:]?", re.DOTALL
)
_LED_CHOICE = re.compile(r"(?P<a>[A-H])[.:](?:\s.*)?")
_YES_NO = re.compile(
    rf"(?P<a>yes|no)(?:\s*[,;:!.]\s+(?:{_SUBJECT}|the|its|a|an|all|both|neither|none|some|only)(?:\s+|['’])\w.*"
    rf"|\s+{_SUBJECT}(?:\s+{_VERB}\b|['’]).*)",
    _IGNORE | re.DOTALL,
)
_COUNT = re.compile(
    rf"(?:there {_BE}|(?:i|we|you) (?:can )?(?:see|count))\s+(?:(?:only|exactly|about|a total of)\s+)?"
    rf"(?P<a>{_NUMBER})(?:\s+(?P<rest>[^.!?\n]*))?[.!]?",
    _IGNORE,
)
#: "It is a circle", "They're dogs", "The colour of the shape is blue"; other subjects with a full stop only.
_IS = re.compile(
    rf"(?:(?:it|this|that)(?:\s+(?:is|was|appears to be|seems to be|looks like)|['’]s)"
    rf"|(?:they|these|those)(?:\s+(?:are|were|appear to be|seem to be|look like)|['’]re)"
    rf"|the (?:colou?r|shape|number|count|name|time|object|animal|size|position|total)"
    rf"(?:\s+(?:of|on|in)\s+[^.!?,\n]{{1,40}}?)?\s+{_BE})\s+(?P<a>{_PIECE})[.!]?"
    rf"|the [^\W\d]+(?:\s[^\W\d]+)?\s+{_BE}\s+(?P<b>{_PIECE})\.",
    _IGNORE,
)
#: Sentences with one of these say something else than what something is.
_NO_ANSWER = re.compile(
    rf"\b(?:not|no|never|n[o']t|cannot|unclear|unknown|impossible|{_VERB}|{_SUBJECT}|what|who|which|where|because)\b"
    r"|n['’]t\b",
    _IGNORE,
)
_WRAPPED = re.compile(r"(?P<mark>\*\*|\*|__|`|\"|')(?P<a>.+)(?P=mark)|[“‘](?P<b>.+)[”’]", re.DOTALL)


def short_answer(text: str) -> str:
    """The short answer in a sentence, or the text as it is where no rule reads one.

    Read are "The answer is …" and "Answer: …", "Yes, it is", "It is a circle" and "The colour is blue" (at
    most ``MOST_WORDS`` words, nothing negated), "There are 3 shapes", and the letter of "B) red". The answer
    is a piece of the text, never empty unless the text is, and reading it again gives the same.
    """
    found = text
    while (shorter := _read(found)) is not None:
        found = shorter
    return found


def _read(text: str) -> str | None:
    """What one rule takes out of the text; None where none does, or where that would be all or nothing."""
    whole = text.strip()
    thinking = _THINKING.match(whole)
    for taken in (_led(whole), _choice(whole), _sentence(whole[thinking.end() :] if thinking else whole)):
        if taken and len(taken) < len(whole):
            return taken
    return None


def _group(found: re.Match[str] | None) -> str | None:
    """The first group that took part."""
    return next((part for part in found.groups() if part is not None), None) if found else None


def _led(text: str) -> str | None:
    leads = list(_LEAD.finditer(text))
    if not leads:
        return None
    rest = _bare(_REASON.sub("", leads[-1]["rest"], count=1))
    return _group(_LED_CHOICE.fullmatch(rest)) or rest


def _choice(text: str) -> str | None:
    return _group(_CHOICE.fullmatch(text.rstrip(".")))


def _sentence(text: str) -> str | None:
    if (answer := _group(_YES_NO.fullmatch(text))) is not None:
        return answer
    counted = _COUNT.fullmatch(text)
    if counted is not None:
        # "3 red and 2 blue shapes" holds two numbers, and which is asked for cannot be told.
        return None if re.search(rf"\b{_NUMBER}\b", counted["rest"] or "", _IGNORE) else counted["a"]
    told = _IS.fullmatch(text)
    if told is None:
        return None
    answer = _bare(told["a"] or told["b"])
    words = re.sub(r"^(?:a|an|the)\s", "", answer, flags=_IGNORE).split()
    return answer if len(words) <= MOST_WORDS and not _NO_ANSWER.search(answer) else None


def _bare(text: str) -> str:
    """Without a full stop at the end, and without the quotes or stars around it all."""
    while True:
        bare = text.strip().rstrip(".").strip()
        wrapped = _WRAPPED.fullmatch(bare)
        bare = (wrapped["a"] or wrapped["b"]) if wrapped else bare
        if bare == text:
            return bare
        text = bare
