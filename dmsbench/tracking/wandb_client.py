"""Weights & Biases: a run for each model, those of one dmsbench run in a group."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dmsbench.tracking.content import Tracked

#: The project where ``WANDB_PROJECT`` names none.
PROJECT = "dmsbench"


def mode() -> str | None:
    """``offline`` where the user has neither set ``WANDB_MODE`` nor logged in, else None: as they set it.

    Without a key wandb would ask for one in the terminal, or send nothing at all. One that is there is shown
    to the server: raises what wandb raises where it is refused.
    """
    if os.environ.get("WANDB_MODE"):
        return None
    import wandb

    return None if wandb.login(prompt=False) else "offline"


def send(found: Sequence[Tracked]) -> str:
    """Logs models; offline they go to ``WANDB_DIR``, and ``wandb sync`` sends them.

    A model that was logged before, on the same suite, data and seed, has the same run id.
    """
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    places = [_log(wandb, one) for one in found]
    return ", ".join(dict.fromkeys(places))


def _log(wandb: Any, one: Tracked) -> str:
    asked = mode()
    offline = asked or os.environ.get("WANDB_MODE") in ("offline", "dryrun")
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT") or PROJECT,
        id=one.key,
        name=f"{one.suite}/{one.name}",
        group=one.group,
        job_type="dmsbench",
        config={**one.params, **one.tags},
        mode=asked,
        # Offline there is no earlier run to be seen; the id says that it is the same.
        resume=None if offline else "allow",
        # The run is over: nothing of this process, its code or its terminal says anything about it.
        settings=wandb.Settings(
            console="off", silent=True, disable_git=True, disable_code=True, x_disable_stats=True
        ),
    )
    try:
        run.define_metric("severity", hidden=True)
        run.define_metric("curve/*", step_metric="severity")
        for severity in sorted({severity for points in one.curves.values() for severity in points}):
            run.log(
                {
                    "severity": severity,
                    **{name: points[severity] for name, points in one.curves.items() if severity in points},
                }
            )
        run.summary.update(dict(one.metrics))
        files = wandb.Artifact(f"dmsbench-{one.key}", type="dmsbench-report")
        for path in one.files:
            files.add_file(str(path))
        run.log_artifact(files)
        place = str(Path(run.dir).parent if offline else run.url or "nowhere: WANDB_MODE is disabled")
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish(exit_code=0)
    return place
