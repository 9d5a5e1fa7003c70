"""Which trackers there are, whether one can be used, and telling it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType

from dmsbench.errors import DmsbenchError, UnknownNameError
from dmsbench.tracking.content import Tracked

#: Characters of what a client says is wrong.
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Tracker:
    """A tracker: the module of its client, which is the name of the extra too."""

    name: str
    module: str
    #: Raises what the client raises where it is not set up; without a connection to anything.
    check: Callable[[], None]
    #: What to do where it is not set up.
    advice: str
    #: Tells it of models; returns where they are to be seen.
    send: Callable[[Sequence[Tracked]], str]


def _check_mlflow() -> None:
    from dmsbench.tracking.mlflow_client import client

    client()


def _send_mlflow(found: Sequence[Tracked]) -> str:
    from dmsbench.tracking.mlflow_client import send

    return send(found)


def _check_wandb() -> None:
    # Whether a key is good is asked of the server, so when there is something to send.
    import wandb  # noqa: F401


def _send_wandb(found: Sequence[Tracked]) -> str:
    from dmsbench.tracking.wandb_client import send

    return send(found)


TRACKERS: Mapping[str, Tracker] = MappingProxyType(
    {
        one.name: one
        for one in (
            Tracker(
                "mlflow",
                "mlflow",
                _check_mlflow,
                "name a server by MLFLOW_TRACKING_URI, install all of mlflow for its SQLite default, or "
                "allow a folder of files by MLFLOW_ALLOW_FILE_STORE=true MLFLOW_TRACKING_URI=file:mlruns",
                _send_mlflow,
            ),
            Tracker(
                "wandb",
                "wandb",
                _check_wandb,
                "set WANDB_MODE=offline, or log in by: wandb login",
                _send_wandb,
            ),
        )
    }
)


def usable(names: Sequence[str]) -> tuple[Tracker, ...]:
    """The trackers of these names, each once.

    Raises UnknownNameError for another name, DmsbenchError where a client is not installed, with the command
    that installs it, or is set up in a way that it cannot use.
    """
    found = []
    for name in dict.fromkeys(names):
        if name not in TRACKERS:
            raise UnknownNameError("tracker", name, TRACKERS)
        tracker = TRACKERS[name]
        if find_spec(tracker.module) is None:
            raise DmsbenchError(f"{name} is not installed: pip install 'dmsbench[{name}]'")
        try:
            tracker.check()
        except Exception as error:
            raise DmsbenchError(f"{name} cannot be used here ({_reason(error)}): {tracker.advice}") from error
        found.append(tracker)
    return tuple(found)


def send(tracker: Tracker, found: Sequence[Tracked]) -> str:
    """Tells a tracker of models; returns where they are to be seen. Raises DmsbenchError where it fails."""
    try:
        return tracker.send(found)
    except Exception as error:
        raise DmsbenchError(f"{tracker.name} was not told: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
