"""Scores a finished run anew by another score, from its records alone: no model, no torch, no data.

Of captions the data set's texts are read again: document frequencies and chance hang on all of them.
Ranks are enough for every score of retrieval, and the manifest has what its chance hangs on.

The new scores go to a run of their own beside the old one, which stays as it is. Its identity is the old
one's with the other score, so it is the folder that asking the models again under that score would use.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa

from dmsbench import __version__
from dmsbench.data import Dataset
from dmsbench.errors import DmsbenchError, NotComparableError
from dmsbench.runner.records import SCHEMA, scored
from dmsbench.runner.scoring import chance_of, chance_of_searches, configured, on_split
from dmsbench.runner.store import MANIFEST, RunFolder, digest
from dmsbench.suite import Suite
from dmsbench.tasks.catalogue import form, task_of
from dmsbench.tasks.scorers import Scorer, chance_under, scorer

__all__ = ["Rescored", "is_rescored", "rescore", "scorer_of", "with_score"]


@dataclass(frozen=True, slots=True)
class Rescored:
    """What rescoring left: the new run, and of how many records the score is another than before."""

    folder: RunFolder
    manifest: dict[str, Any]
    models: tuple[str, ...]
    rows: int
    changed: int
    #: Models of the old run that are not finished; they are left out.
    unfinished: tuple[str, ...]


def is_rescored(manifest: Mapping[str, Any]) -> bool:
    """Whether every model of a run was scored from another run's records, and none was asked."""
    return bool(manifest["models"]) and all("rescored" in entry for entry in manifest["models"].values())


def rescore(source: RunFolder, name: str) -> Rescored:
    """Scores the finished models of a run by the score of this name; what is there already stays as it is.

    Raises UnknownNameError for a score that the run's task does not have, DmsbenchError where there is no
    run, it has that score already or a part is damaged, NotComparableError where no model is finished.
    """
    old = source.manifest()
    score, dataset = scorer_of(old, name, source.path)
    if old["identity"]["score"] == score.signature:
        raise DmsbenchError(f"{source.path}: scored by {name} already; see: dmsbench report {source.path}")
    unfinished = tuple(model for model in old["models"] if source.lacks(model))
    models = {model: entry for model, entry in old["models"].items() if model not in unfinished}
    if not models:
        raise NotComparableError(
            f"{source.path}: no model is finished, so there is nothing to rescore; run the suite again to "
            "complete it"
        )
    identity = old["identity"] | {"score": score.signature}
    target = RunFolder(_beside(source.path) / digest(identity)[:12])
    there = target.manifest() if (target.path / MANIFEST).is_file() else None
    if there is not None:
        models = {model: entry for model, entry in models.items() if not _asked(target, there, model, entry)}
        if not models:
            raise DmsbenchError(
                f"{source.path}: its models were asked under {name} in {target.path}; see: dmsbench report "
                f"{target.path}"
            )
    rows = changed = 0
    with target.locked():
        for model, entry in models.items():
            for part in entry["parts"]:
                table = source.read_part(model, part["key"])
                new = with_score(table, score)
                _keep(target, model, _key(part, score), new)
                rows += table.num_rows
                changed += sum(map(operator.ne, table["score"].to_pylist(), new["score"].to_pylist()))
        manifest = _manifest(old, there, source, models, identity, score, dataset)
        if there is None or manifest | {"created": there["created"]} != there:
            target.write_manifest(manifest)
        else:
            manifest = there
    return Rescored(target, manifest, tuple(models), rows, changed, unfinished)


def scorer_of(manifest: Mapping[str, Any], name: str, path: Path) -> tuple[Scorer, Dataset | None]:
    """The score of this name on a run's data, and those data where it hangs on their texts; ``path`` names
    the run in messages.

    Raises UnknownNameError for a score that the run's task does not have, DmsbenchError where a package's
    task is another than the one that was asked, and what ``_texts`` raises.
    """
    _check_task(manifest, path)
    score = scorer(name, manifest["identity"]["task"])
    if not _hangs_on_texts(score):
        return score, None
    dataset = _texts(manifest, name, path)
    return on_split(score, dataset), dataset


def _check_task(manifest: Mapping[str, Any], path: Path) -> None:
    """Raises DmsbenchError where a package's task is another than the one that was asked."""
    task = manifest["identity"]["task"]
    asked = manifest["identity"].get("task_version")
    if asked is not None and task_of(task).signature != asked:
        raise DmsbenchError(
            f"{path}: task '{task}' was {asked} in this run and is {task_of(task).signature} here: install "
            "the former to rescore it"
        )


def _hangs_on_texts(score: Scorer) -> bool:
    """Whether a score, or its chance, takes something from the texts of the whole data set."""
    return score.of_split is not None or form(score.task) == "captioning"


def _texts(manifest: Mapping[str, Any], name: str, path: Path) -> Dataset:
    """The data set of a run whose score hangs on all its texts, as that of captions does.

    Raises SuiteError where it cannot have this score, DmsbenchError where it is no longer what it was.
    """
    config = Suite.model_validate(manifest["suite"]).changed(score=name).dataset
    dataset = configured(config, manifest["identity"]["task"])
    if dataset.fingerprint != manifest["dataset"]["fingerprint"]:
        raise DmsbenchError(f"{path}: its data set has changed since, and {name} hangs on all of it")
    return dataset


def _beside(path: Path) -> Path:
    """The folder that holds a run's; of ``.`` and ``..`` too."""
    return (path if path.name not in ("", "..") else path.resolve()).parent


def _asked(target: RunFolder, there: dict[str, Any], model: str, entry: Mapping[str, Any]) -> bool:
    """Whether the very model was asked under the other score: its own records are not replaced."""
    known = there["models"].get(model)
    return (
        known is not None
        and "rescored" not in known
        and known["fingerprint"] == entry["fingerprint"]
        and not target.lacks(model)
    )


def _key(part: Mapping[str, Any], score: Scorer) -> str:
    """The same whether a part is scored from the answers as they came or from a part scored from them."""
    return digest({"rescored": part.get("source", part["key"]), "score": score.signature})


def _keep(target: RunFolder, model: str, key: str, new: pa.Table) -> None:
    """Writes a part unless it is there. A run made afresh has parts of the same keys, but other answers may
    be in them where rounding decided."""
    sound = target.sound_part(model, key)
    if sound is None or not sound.equals(new):
        target.write_part(model, key, dict(zip(new.column_names, new.columns, strict=True)))


def with_score(table: pa.Table, score: Scorer) -> pa.Table:
    """Records under another score; rows that are not ok have none. Needs the columns that scores read."""
    known: dict[tuple[str | None, tuple[str, ...], int | None], float] = {}
    found: list[float | None] = []
    names = ("status", "sample_id", "prediction", "references", "rank")
    columns = (table[name].to_pylist() for name in names)
    for status, sample, prediction, references, rank in zip(*columns, strict=True):
        if status != "ok":
            found.append(None)
            continue
        content = (prediction, tuple(references), rank)
        if content not in known:
            known[content] = scored(score, sample, *content)
        found.append(known[content])
    at = table.schema.get_field_index("score")
    return table.set_column(at, SCHEMA.field("score"), pa.array(found, SCHEMA.field("score").type))


def _manifest(
    old: dict[str, Any],
    there: dict[str, Any] | None,
    source: RunFolder,
    models: Mapping[str, dict[str, Any]],
    identity: dict[str, Any],
    score: Scorer,
    dataset: Dataset | None,
) -> dict[str, Any]:
    entries = {model: _entry(entry, old, source, score) for model, entry in models.items()}
    (chance, *_) = (entry["rescored"]["chance"] for entry in entries.values())
    base = old | {
        "fingerprint": digest(identity),
        "identity": identity,
        "suite": old["suite"] | {"score": score.name},
        "chance": _chance(old, score, chance, dataset),
    }
    held = {} if there is None else there["models"]
    return (base if there is None else there) | {
        "dmsbench": __version__,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "models": held | entries,
    }


def _chance(
    old: Mapping[str, Any], score: Scorer, chance: dict[str, Any] | None, dataset: Dataset | None
) -> dict[str, Any] | None:
    if score.task == "retrieval":
        return chance_of_searches(score, old.get("searches", ()))
    return chance_under(score, chance) if dataset is None else chance_of(score, dataset)


def _entry(entry: dict[str, Any], old: dict[str, Any], source: RunFolder, score: Scorer) -> dict[str, Any]:
    """A model's entry with its new parts, and whose answers they score."""
    first = {
        "run": source.path.resolve().name,
        "fingerprint": old["fingerprint"],
        "score": old["identity"]["score"],
        "dmsbench": old["dmsbench"],
        "chance": old["chance"],
    }
    parts = [
        part | {"key": _key(part, score), "source": part.get("source", part["key"])}
        for part in entry["parts"]
    ]
    # Of a rescored run: where the answers were given, not where they were scored in between.
    return entry | {"parts": parts, "rescored": entry.get("rescored", first)}
