"""The folder of a fitted scheduler: network, typicality, probes, and a card of how they were made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dmsbench.errors import ModelError
from dmsbench.files import write_atomically
from dmsbench.fusion.learned import LearnedScheduler
from dmsbench.fusion.probe import Probes
from dmsbench.fusion.typicality import Typicality, load_typicality, save_typicality
from dmsbench.models.base import MODALITIES
from dmsbench.models.evidence import MonteCarlo
from dmsbench.models.spec import FIT_FILE

TYPICALITY_FILE = "typicality.safetensors"
PROBES_FILE = "probes.safetensors"
#: Where unimodal predictions come from: the checkpoint at the corners, or probes.
SOURCES = ("corner", "probe")
#: By source, so that what reads corners only refuses probes by their format.
_FORMATS = {"corner": 1, "probe": 2}


@dataclass(frozen=True, slots=True)
class FittedFolder:
    """A scheduler with all that it needs at run time.

    ``weights``, ``config``: hashes of the checkpoint that it was fitted on. ``outcomes``: the tokens that
    evidence is measured over, None for the whole vocabulary. ``probes``: where the evidence is theirs; then
    ``monte_carlo`` says how they drop. ``facts``: how it was made and what it reached on validation, plain
    JSON values.
    """

    scheduler: LearnedScheduler
    weights: str
    outcomes: tuple[int, ...] | None
    monte_carlo: MonteCarlo
    typicality: tuple[Typicality, Typicality] | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    probes: Probes | None = None
    config: str | None = None

    @property
    def source(self) -> str:
        """One of ``SOURCES``."""
        return "corner" if self.probes is None else "probe"

    @property
    def fitted_on(self) -> tuple[str, ...]:
        """The corruptions that it was fitted on, sorted."""
        return tuple(sorted(map(str, self.facts.get("corruptions", ()))))

    @property
    def steps(self) -> str:
        """What it was fitted to weigh, one of ``mixed.STEPS``."""
        return str(self.facts.get("steps", "first"))

    @property
    def task(self) -> str:
        """What it was fitted for; cards from before there were captions name none."""
        return str(self.facts.get("task", "vqa"))

    @property
    def bank(self) -> tuple[str, ...]:
        """Of retrieval: the texts that evidence is measured over."""
        return tuple(map(str, self.facts.get("bank", ())))

    def save(self, folder: Path) -> None:
        """Writes network, typicality and probes, and the card last: without it the folder is not taken."""
        (folder / FIT_FILE).unlink(missing_ok=True)
        self.scheduler.save(folder)
        if self.typicality is None:
            (folder / TYPICALITY_FILE).unlink(missing_ok=True)
        else:
            save_typicality(folder / TYPICALITY_FILE, dict(zip(MODALITIES, self.typicality, strict=True)))
        probes = {}
        if self.probes is None:
            (folder / PROBES_FILE).unlink(missing_ok=True)
        else:
            self.probes.save(folder / PROBES_FILE)
            probes = {"probes_fingerprint": self.probes.fingerprint}
        how = self.monte_carlo
        card = {
            "format": _FORMATS[self.source],
            "source": self.source,
            "weights_hash": self.weights,
            "config_hash": self.config,
            "scheduler": self.scheduler.fingerprint,
            "typicality": None if self.typicality is None else [each.fingerprint for each in self.typicality],
            "outcomes": None if self.outcomes is None else list(self.outcomes),
            "monte_carlo": {"passes": how.passes, "rate": how.rate, "seed": how.seed},
            **probes,
            **self.facts,
        }
        text = json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        write_atomically(folder / FIT_FILE, text.encode())


def load_fitted(folder: Path, weights: str, config: str | None = None) -> FittedFolder:
    """Reads what ``save`` wrote, for the checkpoint whose weights, and config, have these hashes.

    Raises ModelError where the folder holds no finished fit, is damaged, or belongs to other weights.
    """
    try:
        card = json.loads((folder / FIT_FILE).read_bytes())
    except OSError:
        raise ModelError(f"{folder} holds no fitted scheduler ({FIT_FILE}): dmsbench fit makes one") from None
    except ValueError as error:
        raise ModelError(f"{folder / FIT_FILE} is not valid JSON: {error}") from None
    try:
        source = card.get("source", "corner")  # cards from before there were probes name none
        if card["format"] != _FORMATS.get(source):
            raise ModelError(
                f"{folder / FIT_FILE} has format {card['format']} and source '{source}', this version reads "
                f"{', '.join(f'{number} of {name}' for name, number in _FORMATS.items())}: fit it again"
            )
        if card["weights_hash"] != weights:
            raise ModelError(
                f"the scheduler in {folder} was fitted on other weights ({card['weights_hash'][:12]}, the "
                f"model's are {weights[:12]}), or in another dtype: fit one for this checkpoint"
            )
        known = card.get("config_hash")  # cards from before configs were told apart have none
        if None not in (known, config) and known != config:
            raise ModelError(
                f"the scheduler in {folder} was fitted on these weights under another config.json: fit one "
                "for this checkpoint"
            )
        scheduler = LearnedScheduler.load(folder)
        if scheduler.fingerprint != card["scheduler"]:
            raise ModelError(f"{FIT_FILE} and the scheduler in {folder} do not belong together: fit it again")
        typicality = _typicality(folder / TYPICALITY_FILE) if scheduler.needs_typicality else None
        if typicality is not None and [each.fingerprint for each in typicality] != card["typicality"]:
            raise ModelError(
                f"{FIT_FILE} and {TYPICALITY_FILE} in {folder} do not belong together: fit it again"
            )
        probes = Probes.load(folder / PROBES_FILE) if source == "probe" else None
        if probes is not None and probes.fingerprint != card["probes_fingerprint"]:
            raise ModelError(f"{FIT_FILE} and {PROBES_FILE} in {folder} do not belong together: fit it again")
        if (scheduler.seen is None) != (probes is None):
            raise ModelError(
                f"the scheduler in {folder} was not fitted on signals of source '{source}': fit it again"
            )
        how = card["monte_carlo"]
        found = FittedFolder(
            scheduler,
            weights,
            None if card["outcomes"] is None else tuple(map(int, card["outcomes"])),
            MonteCarlo(int(how["passes"]), float(how["rate"]), int(how["seed"])),
            typicality,
            card,
            probes,
            known,
        )
        _ = found.fitted_on  # raises here where the card's list is none
        return found
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{folder / FIT_FILE} is no card of a fitted scheduler ({error!r}): fit it again"
        ) from None


def _typicality(path: Path) -> tuple[Typicality, Typicality]:
    found = load_typicality(path)
    image, text = (found[modality] for modality in MODALITIES)
    return image, text
