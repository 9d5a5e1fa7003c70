"""Which scores a suite's task has, and which one counts where none is named."""

from __future__ import annotations

from typing import Any

from dmsbench.data.presets import PRESETS
from dmsbench.plugins import TASKS, offered
from dmsbench.score_names import SCORES

__all__ = ["scores_of", "usual_score"]


def scores_of(task: str) -> tuple[str, ...]:
    """The names of a task's own scores; none where there is no such task.

    Raises DmsbenchError where another package's cannot be loaded.
    """
    if task in SCORES or task not in offered(TASKS):
        return SCORES.get(task, ())
    from dmsbench.tasks.catalogue import task_of

    return tuple(one if isinstance(one, str) else one.name for one in task_of(task).scores)


def usual_score(task: str, dataset: Any) -> str:
    """The score of a suite that names none: the data set's own for the task, else the task's first.

    Empty where there is no such task.
    """
    name = dataset.get("name") if isinstance(dataset, dict) else None
    preset = PRESETS.get(name) if isinstance(name, str) else None
    own = preset.scores.get(task) if preset else None
    return own or next(iter(scores_of(task)), "")
