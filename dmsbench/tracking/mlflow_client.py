"""MLflow: a run of an experiment for each model."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from dmsbench.tracking.content import Tracked

#: The experiment where the user's settings name none.
EXPERIMENT = "dmsbench"
_KEY = "dmsbench.key"
#: What a request of ``log_batch`` may hold.
_MOST_METRICS, _MOST_OTHERS = 1000, 100

_Entry = TypeVar("_Entry")


def client() -> Any:
    """A client for what ``MLFLOW_TRACKING_URI`` names; raises MlflowException where it cannot be used."""
    # Its own reports home, and minutes of retries at a server that is down, are not what was asked for.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    from mlflow import MlflowClient

    return MlflowClient()


def send(found: Sequence[Tracked]) -> str:
    """Logs models in the experiment of ``MLFLOW_EXPERIMENT_ID`` or ``MLFLOW_EXPERIMENT_NAME``.

    A model that was logged before, on the same suite, data and seed, is told anew in the same run.
    """
    asked = client()
    experiment, name = _experiment(asked)
    for one in found:
        _log(asked, experiment, one)
    return f"{asked.tracking_uri}, experiment {name}"


def _experiment(asked: Any) -> tuple[str, str]:
    number = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if number:
        return number, str(asked.get_experiment(number).name)
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    known = asked.get_experiment_by_name(name)
    return str(asked.create_experiment(name) if known is None else known.experiment_id), name


def _log(asked: Any, experiment: str, one: Tracked) -> None:
    from mlflow.entities import Metric, Param, RunTag

    known = asked.search_runs([experiment], filter_string=f"tags.`{_KEY}` = '{one.key}'", max_results=1)
    if known:
        run, params = known[0].info.run_id, []
    else:
        tags = {_KEY: one.key, "dmsbench.group": one.group}
        run = asked.create_run(experiment, run_name=f"{one.suite}/{one.name}", tags=tags).info.run_id
        # Parameters of a run cannot be told again, and never differ under one key.
        params = [Param(key, value) for key, value in one.params.items()]
    now = int(time.time() * 1000)
    metrics = [
        *(Metric(name, value, now, 0) for name, value in one.metrics.items()),
        *(
            Metric(name, value, now, severity)
            for name, points in one.curves.items()
            for severity, value in points.items()
        ),
    ]
    for some in _runs_of(metrics, _MOST_METRICS):
        asked.log_batch(run, metrics=some)
    for some in _runs_of(params, _MOST_OTHERS):
        asked.log_batch(run, params=some)
    for some in _runs_of([RunTag(key, value) for key, value in one.tags.items()], _MOST_OTHERS):
        asked.log_batch(run, tags=some)
    for path in one.files:
        asked.log_artifact(run, str(path))
    asked.set_terminated(run, "FINISHED")


def _runs_of(entries: Sequence[_Entry], most: int) -> Iterator[list[_Entry]]:
    rest = iter(entries)
    while some := list(islice(rest, most)):
        yield some
