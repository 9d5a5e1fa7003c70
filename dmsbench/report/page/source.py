"""The data that a run was made of, to show pictures again; or why they cannot be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

import corruptions
from dmsbench.data import Dataset
from dmsbench.errors import DmsbenchError
from dmsbench.grid import View
from dmsbench.runner.scoring import configured
from dmsbench.runner.views import Views
from dmsbench.suite import Suite


@dataclass(frozen=True, slots=True)
class Source:
    """A run's data and views."""

    suite: Suite
    dataset: Dataset
    views: Views

    def makes(self, view: View) -> bool:
        """Whether there is such a corruption here: records of others may name any."""
        return view.is_clean or corruptions.is_known(view.corruption)


def source(manifest: Mapping[str, Any]) -> Source | str:
    """The data of a run, or one line on why there are none: moved, changed since, a backend missing."""
    try:
        suite = Suite.model_validate(manifest["suite"])
        suite.differing()
        dataset = configured(suite.dataset, suite.task)
    except ValidationError:
        return (
            "the suite of this run names what this version of dmsbench, with the packages here, does not know"
        )
    except (DmsbenchError, corruptions.CorruptionError) as error:
        return f"the data cannot be read ({error})"
    if dataset.fingerprint != manifest["identity"]["dataset"]["fingerprint"]:
        return "the data have changed since the run"
    known = manifest["identity"]["corruptions"]
    for name in suite.corruption_names:
        if name in known and known[name] != corruptions.version_of(name):
            return f"corruption {name} has changed since the run"
    return Source(suite, dataset, Views(suite.seed, dataset, suite.profile, suite.applied))
