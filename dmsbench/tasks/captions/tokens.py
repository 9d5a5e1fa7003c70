"""Words of an English caption, as the scores of COCO count them."""

from __future__ import annotations

import re
import unicodedata

#: Enters every signature of a score over words: a changed rule must not be mixed with old scores.
TOKENIZER = "ptb_captions:1"

#: Dropped after splitting. Brackets (``-lrb-``) and runs such as ``?!`` are not: coco-caption's list has the
#: brackets' names in upper case, where the text is in lower case, and of marks only single ones.
_DROPPED = frozenset({"'", "--", "...", ".", "?", "!", ",", ":", "-", ";"})
_SAME = str.maketrans(
    {
        **dict.fromkeys("‘’ʼ`´", "'"),
        **dict.fromkeys('"“”„«»', " "),
        **dict.fromkeys("–—", " -- "),
        "…": " ... ",
    }
)
_NAMED = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_ABBREVIATIONS = (
    "mr|mrs|ms|dr|prof|st|mt|ft|jr|sr|vs|etc|co|inc|corp|ltd|ave|blvd|rd|gen|gov|sen|rep|lt|sgt|capt|rev|"
    "ph\\.d|jan|feb|mar|apr|aug|sept|oct|nov|dec|mon|tue|wed|thu|fri|dept"
)
_TOKEN = re.compile(
    rf"""
    (?:{_ABBREVIATIONS})\.(?!\w)               # mr.
    | no\.(?=\ ?\d)                            # no. 1
    | [^\W\d_](?:\.[^\W\d_])*\.(?!\w)          # u.s., and the c. of vitamin c.
    | (?<!\S)[-+]\d[\d.,:/]*\d | (?<!\S)[-+]\d # -5
    | 'n' | '(?:em|til|cause|tis|twas|\d\ds?|s|re|ve|d|ll|m)(?!\w)
    | [\#@][^\W\d]\w*                          # #tag, @name
    | \w+(?:(?:[-./_]|(?<=\d)[,:](?=\d)|(?<=[^\W\d])'(?!n')|'(?=s\b))\w+)*(?:'(?!n'))?
    | [?!]+ | \*+ | \.{{3}} | --
    | [][(){{}}$%\#@&+=~^|\\<>/?!.,:;'£€-]
    """,
    re.VERBOSE,
)
_WHOLE = {
    "cannot": ("can", "not"),
    "gonna": ("gon", "na"),
    "gotta": ("got", "ta"),
    "wanna": ("wan", "na"),
    "gimme": ("gim", "me"),
    "lemme": ("lem", "me"),
    "more'n": ("more", "'n"),
    "'tis": ("'t", "is"),
    "'twas": ("'t", "was"),
    "y'all": ("y'", "all"),
}
_ENDINGS = ("n't", "'s", "'re", "'ve", "'d", "'ll", "'m")


def tokenise(caption: str) -> list[str]:
    """The caption's words in lower case; empty where it has none. Unicode in composed form (NFC).

    Words are split as in the Penn Treebank: ``can't`` is ``ca n't``, ``dog's`` is ``dog 's``, ``cannot`` is
    ``can not``, ``t-shirt`` and ``7:30`` stay whole. Quotation marks, dashes and single marks of punctuation
    are then dropped. This is what coco-caption does through Stanford's PTBTokenizer 3.4.1, with
    ``-lowerCase`` (Chen et al., "Microsoft COCO Captions", 2015), as far as English captions go. Known to
    differ from Stanford's:

    - abbreviations with a full stop are a short list here (``mr.``, ``st.``, ``etc.``, ``u.s.``), and whether
      the full stop that ends a caption belongs to one is not weighed;
    - addresses of mail and web, smileys and mark-up are split like other text;
    - the text is put in lower case first, so ``B&W`` is split as ``b&w`` is; ``don`t`` is read as ``don't``;
    - a nested apostrophe (``jack-o'-lantern``) and marks between words without a blank (``yes?no``) split
      more readily here;
    - pound and euro signs stay what they are, and signs that are neither letters, digits nor ASCII
      punctuation are dropped.
    """
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", caption).lower()).translate(_SAME)
    words: list[str] = []
    for match in _TOKEN.finditer(text):
        words.extend(_split(match.group()))
    return [word for word in words if word not in _DROPPED]


def _split(part: str) -> list[str]:
    """A contraction in its words; anything else whole."""
    endings: list[str] = []
    while part not in _WHOLE and len(part) > 1 and part != "'n'":
        ending = next((ending for ending in _ENDINGS if part.endswith(ending)), "")
        if ending and part[-len(ending) - 1 : -len(ending)].isalnum():
            endings.append(ending)
        elif part.endswith("'"):
            ending = "'"
        else:
            break
        part = part[: -len(ending)]
    return [*_WHOLE.get(part, (_NAMED.get(part, part),)), *reversed(endings)]
