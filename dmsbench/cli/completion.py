"""What the shell offers after an option: names, looked up only when it asks."""

from __future__ import annotations

from collections.abc import Iterable


def suites(incomplete: str) -> list[str]:
    """Suites by name; after them the shell offers files."""
    from dmsbench.suite import builtin_suites

    return _starting(builtin_suites(), incomplete)


def models(incomplete: str) -> list[str]:
    """Builtin models; after ``NAME=`` those and the embedded checkpoints."""
    from dmsbench.models.spec import BUILTIN, CHECKPOINTS

    name, equals, typed = incomplete.partition("=")
    if equals:
        return [f"{name}={found}" for found in _starting((*BUILTIN, *CHECKPOINTS), typed)]
    return _starting(BUILTIN, incomplete)


def corruption_names(incomplete: str) -> list[str]:
    """Corruptions by name."""
    import corruptions

    return _starting((*corruptions.names(), *corruptions.offered()), incomplete)


def conditions(incomplete: str) -> list[str]:
    """Corruptions by name, and ``clean``."""
    from dmsbench.grid import CLEAN_NAME

    return [*_starting((CLEAN_NAME,), incomplete), *corruption_names(incomplete)]


def scores(incomplete: str) -> list[str]:
    """Scores of every task, and of packages."""
    from dmsbench.plugins import SCORES as FOREIGN
    from dmsbench.plugins import offered
    from dmsbench.score_names import SCORES

    own = [name for names in SCORES.values() for name in names]
    return _starting(dict.fromkeys((*own, *offered(FOREIGN))), incomplete)


def backends(incomplete: str) -> list[str]:
    """Who draws corruptions."""
    import corruptions

    return _starting(corruptions.backend_names(), incomplete)


def public_data(incomplete: str) -> list[str]:
    """Public data sets by name; where none begins so, the shell offers files."""
    from dmsbench.data.presets import PRESETS

    return _starting(PRESETS, incomplete)


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
