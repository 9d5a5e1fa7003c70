"""Which models a leaderboard is asked for: run folders, ``FOLDER:MODEL``, results folders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dmsbench.errors import DmsbenchError, UnknownNameError
from dmsbench.places import Place, place, spelt, split_model, without_password
from dmsbench.runner.find import Entrant, entrant, runs, within
from dmsbench.runner.store import MANIFEST, RunFolder


def selected(arguments: Sequence[str], out: Place, suite: str | None = None) -> list[Entrant]:
    """The models of the runs named, each once; without a name those of all runs of ``out``.

    ``suite`` keeps the runs of one suite of a results folder. Raises DmsbenchError where there is no such
    run or one named outright is of another suite, UnknownNameError for a suite or model that is not there.
    """
    given: Sequence[str | Place] = arguments or [out]
    found = [model for where in given for model in _of(where, suite)]
    if not found:
        raise DmsbenchError(f"{', '.join(arguments) or out}: no models here; run a suite to add one")
    return list({(model.folder.path.resolve(), model.model): model for model in found}.values())


def _of(where: str | Place, suite: str | None) -> list[Entrant]:
    path = place(where) if isinstance(where, str) else where
    if not path.is_dir() and split_model(spelt(where))[1] is not None:
        return [_checked(entrant(spelt(where)), suite)]
    if (path / MANIFEST).is_file():
        return [_checked(model, suite) for model in _models([RunFolder(path)])]
    if not path.is_dir():
        raise DmsbenchError(
            f"'{without_password(str(where))}': no run there; give a run's folder, FOLDER:MODEL or a "
            "results folder"
        )
    # A suite's folder within a results folder is a natural thing to name.
    there = runs(path) or within(path)
    if not there:
        raise DmsbenchError(f"{path}: no runs here; start with: dmsbench run --suite vqa-corrupt")
    found = _models(there)
    names = {str(folder.manifest()["identity"]["suite"]) for folder in there}
    if suite is not None and suite not in names:
        raise UnknownNameError(f"suite among the runs of {path}", suite, names)
    return [model for model in found if suite in (None, model.manifest["identity"]["suite"])]


def _checked(model: Entrant, suite: str | None) -> Entrant:
    own = model.manifest["identity"]["suite"]
    if suite not in (None, own):
        raise DmsbenchError(f"{model.folder.path}: a run of suite '{own}', not '{suite}'; leave out --suite")
    return model


def _models(folders: Iterable[RunFolder]) -> list[Entrant]:
    found = []
    for folder in folders:
        manifest = folder.manifest()
        found += [Entrant(folder, name, manifest) for name in manifest["models"]]
    return found
