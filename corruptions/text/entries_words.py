"""Catalogue entries of the corruptions of words and sentences."""

from __future__ import annotations

from corruptions.text.describe import CLAUSES, EDA, FULL_SHARES, NOISE_MT, OWN, WORD_SHARES, text_entry

__all__ = ["WORDS"]

_TOUCHED = "share of unprotected words touched"
_SHORT = "Saturates on very short texts."
_ENGLISH = "No-op on texts without a word of the English list; saturates where there are few."

WORDS = (
    text_entry(
        "word_shuffle",
        "word",
        "share of unprotected words out of place",
        FULL_SHARES,
        "Sinha et al., UnNatural Language Inference, ACL 2021 (2101.00010)",
        "Moves words to one another's places, however far apart.",
        "Can make the sample's answer wrong: two things of a question may change places. No-op with fewer "
        f"than two different unprotected words; saturates on very short texts. {CLAUSES}",
        ("position", "wording"),
    ),
    text_entry(
        "word_insert",
        "word",
        "hesitations, as a share of the unprotected words",
        WORD_SHARES,
        f"{EDA}, with hesitations instead of synonyms",
        "Puts hesitations such as um before words.",
        "No-op on words that are not in ASCII letters; saturates on very short texts.",
    ),
    text_entry("word_repeat", "word", _TOUCHED, WORD_SHARES, OWN, "Says words twice.", f"{_SHORT} {CLAUSES}"),
    text_entry(
        "word_split",
        "word",
        _TOUCHED,
        WORD_SHARES,
        OWN,
        "Puts a space into words of four letters or more.",
        "No-op on texts whose words are all shorter; saturates where few are longer.",
    ),
    text_entry(
        "word_mask",
        "word",
        _TOUCHED,
        WORD_SHARES,
        f"{OWN}; after the mask token of Devlin et al., BERT, NAACL 2019 (1810.04805)",
        "Replaces words by [MASK].",
        f"{_SHORT} {CLAUSES}",
    ),
    text_entry(
        "nonsense",
        "word",
        _TOUCHED,
        WORD_SHARES,
        OWN,
        "Replaces words by pronounceable words that do not exist.",
        "No-op on words without an ASCII letter; saturates on very short texts.",
    ),
    text_entry(
        "spelling",
        "lexical",
        "share of the unprotected words of the list misspelt",
        FULL_SHARES,
        f"{NOISE_MT}, its natural noise; list of this package",
        "Misspells words as people commonly do.",
        _ENGLISH,
    ),
    text_entry(
        "synonym",
        "lexical",
        "share of the unprotected words of the list replaced",
        FULL_SHARES,
        f"{EDA}; list of this package, without words that could be answers",
        "Replaces words by synonyms that keep the right answer.",
        _ENGLISH,
    ),
    text_entry(
        "stopword_delete",
        "lexical",
        "share of the unprotected stop words that go",
        FULL_SHARES,
        f"{EDA}, for stop words only",
        "Drops English words that carry little.",
        _ENGLISH,
    ),
    text_entry(
        "truncate",
        "sentence",
        "share of the unprotected words cut off the end",
        WORD_SHARES,
        OWN,
        "Leaves out the last words.",
        "Can make the sample's answer wrong: what is asked for may go. No-op on texts of one word; saturates "
        f"on very short texts. {CLAUSES}",
        ("wording",),
    ),
    text_entry(
        "distractor",
        "sentence",
        "sentences added",
        (1.0, 2.0, 3.0, 4.0, 5.0),
        f"{OWN}; after Jia & Liang, Adversarial Examples for Evaluating Reading Comprehension Systems, EMNLP "
        "2017 (1707.07328)",
        "Puts sentences that do not matter before or behind the text.",
        "The sentences are English whatever the text.",
    ),
    text_entry(
        "filler",
        "sentence",
        "phrases added",
        (1.0, 2.0, 3.0, 4.0, 5.0),
        OWN,
        "Puts greetings, apologies, requests and thanks around the text.",
        "The phrases are English whatever the text.",
    ),
    text_entry(
        "paraphrase",
        "sentence",
        "share of the phrases known to a rule that are reworded",
        FULL_SHARES,
        f"{OWN}; after Shah et al., Cycle-Consistency for Robust VQA, CVPR 2019 (1902.05660)",
        "Asks the same in other words, by templates without negation.",
        "No-op on texts that no template fits, among them all that are not English; saturates where few fit.",
    ),
)
