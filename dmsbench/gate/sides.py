"""The two sides of a gate: found by what the command line takes, and judged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dmsbench.errors import DmsbenchError, NotComparableError
from dmsbench.gate.checks import GateResult
from dmsbench.gate.config import GateConfig
from dmsbench.gate.evaluate import Frames, evaluate
from dmsbench.gate.limits import Timing
from dmsbench.gate.saved import SUFFIX, SavedReference, read, records_under
from dmsbench.places import Place, is_url
from dmsbench.runner.find import Entrant, check_identities, is_folder, pair, runs
from dmsbench.runner.store import MANIFEST
from dmsbench.safe_names import shown
from dmsbench.scores.rows import COLUMNS

Side = Entrant | SavedReference


@dataclass(frozen=True, slots=True)
class Gated:
    """A gate's result with the sides that it is about."""

    result: GateResult
    reference: Side
    candidate: Side

    @property
    def suite(self) -> str:
        return str(self.reference.manifest["identity"]["suite"])

    @property
    def identity(self) -> dict[str, Any]:
        """What was asked of both: suite, data, seed, score."""
        identity: dict[str, Any] = self.candidate.manifest["identity"]
        return identity


def gate_runs(
    reference: str,
    candidate: str | None = None,
    *,
    out: Place = Path("results"),
    config: GateConfig | None = None,
    tolerance: float | None = None,
    seed: int = 0,
) -> Gated:
    """Gates one model's records against another's, each a name in ``out``, FOLDER, FOLDER:MODEL or a file.

    ``candidate`` None: see ``sides``. ``config`` None: the defaults; ``load_config`` reads a file's.
    ``tolerance`` replaces its general one.

    Raises DmsbenchError where something is not there or the configuration does not fit, NotComparableError
    where the two may not be compared or are not finished.
    """
    first, second = sides(reference, candidate, out)
    return gate_sides(first, second, config=config, tolerance=tolerance, seed=seed)


def gate_sides(
    reference: Side,
    candidate: Side,
    *,
    config: GateConfig | None = None,
    tolerance: float | None = None,
    seed: int = 0,
) -> Gated:
    """As ``gate_runs``, of two sides that are found already."""
    config = GateConfig() if config is None else config
    check_identities(
        reference.manifest["identity"],
        candidate.manifest["identity"],
        (reference.label, candidate.label),
    )
    score = own_score(reference)
    others: dict[str, Frames] = {}
    for name in config.score:
        if name == score:
            continue
        try:
            others[name] = (_under(reference, name), _under(candidate, name))
        except NotComparableError:
            raise
        except DmsbenchError as error:
            raise DmsbenchError(f"{config.where}: score.{name}: {error}") from None
    entries = [side.manifest["models"][side.model] for side in (reference, candidate)]
    result = evaluate(
        reference.records(COLUMNS),
        candidate.records(COLUMNS),
        tolerance=tolerance,
        config=config,
        score=score,
        others=others,
        timing=Timing.of(*entries),
        seed=seed,
    )
    return Gated(result, reference, candidate)


def own_score(side: Side) -> str:
    """The name of the score that the records hold."""
    return str(side.manifest["identity"]["score"]).partition("|")[0]


def _under(side: Side, score: str) -> pd.DataFrame:
    return side.records_under(score) if isinstance(side, SavedReference) else records_under(side, score)


def sides(reference: str, candidate: str | None, out: Place) -> tuple[Side, Side]:
    """Reference and candidate.

    Two names are looked up in the newest run that holds both, else each in the newest that has it; beside a
    reference that is no name, among the runs of its suite. Without a candidate the newest run of the
    reference's suite and score must leave no choice: it holds one other model in the reference's own run, or
    one model, whatever its name, in another.
    """
    _check_names(reference, candidate)
    if candidate is None:
        held = one_side(reference, out)
        return held, _only(held, out)
    saved = _saved(candidate)
    if saved is not None:
        return one_side(reference, out), saved
    if not _is_place(reference) and _saved(reference) is None:
        return pair(reference, candidate, out)
    held = one_side(reference, out)
    # A place has its own suite; a name may stand in runs of many.
    suite = None if _is_place(candidate) else str(held.manifest["identity"]["suite"])
    return held, pair(candidate, candidate, out, suite)[0]


def one_side(text: str, out: Place) -> Side:
    """A model's records by a name in ``out``, FOLDER, FOLDER:MODEL or a saved reference's file or folder."""
    _check_names(text)
    return _saved(text) or pair(text, text, out)[0]


def _check_names(*texts: str | None) -> None:
    """Raises DmsbenchError for what no file can be called: it is too long, or holds what no name holds."""
    for text in texts:
        try:
            if text is not None and not is_url(text):
                Path(text).is_dir()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise DmsbenchError(f"'{shown(text)}': no run there ({reason})") from None


def _is_place(text: str) -> bool:
    return is_folder(text)


def _saved(text: str) -> SavedReference | None:
    """The file that a text names, or the one in the folder that it names; None for anything else."""
    if is_url(text):
        return None  # a run: saved references are files to be committed
    path = Path(text)
    if path.is_file() or (path.suffix == SUFFIX and not path.is_dir()):
        return read(path)
    if not path.is_dir() or (path / MANIFEST).is_file():
        return None
    found = sorted(path.glob(f"*{SUFFIX}"))
    if len(found) > 1:
        names = ", ".join(one.name for one in found[:5])
        raise DmsbenchError(f"{path}: it holds several saved references ({names}): name one")
    return read(found[0]) if found else None


def _spelt(path: Place) -> str:
    return str(path.resolve() if isinstance(path, Path) else path)


def _only(reference: Side, out: Place) -> Entrant:
    identity = reference.manifest["identity"]
    suite, score = str(identity["suite"]), identity["score"]
    found = [folder for folder in runs(out, suite) if folder.manifest()["identity"].get("score") == score]
    if not found:
        raise DmsbenchError(
            f"{out}: no run of suite '{suite}' to be judged here; run the candidate first, or name it by "
            "--candidate"
        )
    newest = found[0]
    names = list(newest.manifest()["models"])
    own = isinstance(reference, Entrant) and _spelt(newest.path) == _spelt(reference.folder.path)
    choice = [name for name in names if name != reference.model] if own else names
    if len(choice) != 1:
        held = f"holds {', '.join(names)}" if choice else f"holds the reference '{reference.model}' alone"
        raise DmsbenchError(f"{newest.path} {held}: say which one is judged by --candidate")
    return Entrant(newest, choice[0], newest.manifest())
