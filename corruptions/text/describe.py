"""How the text corruptions describe themselves to the catalogue."""

from __future__ import annotations

from corruptions.entry import DEFAULT_PROFILE, Corruption, Topic, Value

__all__ = [
    "CHARACTER_SHARES",
    "CLAUSES",
    "EDA",
    "FULL_SHARES",
    "LATIN_ONLY",
    "MISSPELLINGS",
    "NOISE_MT",
    "OWN",
    "WORD_SHARES",
    "text_entry",
]

CHARACTER_SHARES: tuple[Value, ...] = (0.02, 0.05, 0.10, 0.15, 0.25)
WORD_SHARES: tuple[Value, ...] = (0.1, 0.2, 0.3, 0.4, 0.5)
FULL_SHARES: tuple[Value, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)

NOISE_MT = (
    "Belinkov & Bisk, Synthetic and Natural Noise Both Break Neural Machine Translation, ICLR 2018 "
    "(1711.02173)"
)
MISSPELLINGS = (
    "Pruthi et al., Combating Adversarial Misspellings with Robust Word Recognition, ACL 2019 (1905.11268)"
)
EDA = "Wei & Zou, EDA: Easy Data Augmentation, EMNLP 2019 (1901.11196)"
OWN = "this package"

# 2: letters with their signs and emoji stay whole. All find their places by the same words and letters.
_VERSION = 2

CLAUSES = "In scripts without spaces a clause counts as one word."
LATIN_ONLY = "No-op on texts without Latin letters."


def text_entry(
    name: str,
    family: str,
    parameter: str,
    shares: tuple[Value, ...],
    source: str,
    doc: str,
    notes: str = "",
    falsifies: tuple[Topic, ...] = (),
) -> Corruption:
    """The entry of a text corruption; all of them are nested."""
    return Corruption(
        name=name,
        kind="text",
        target="text",
        family=family,
        parameter=parameter,
        parameters={DEFAULT_PROFILE: shares},
        source=source,
        doc=doc,
        version=_VERSION,
        nested=True,
        notes=notes,
        falsifies=falsifies,
    )
