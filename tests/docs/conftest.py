"""Shared by the tests of docs/."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs_shell import environment


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment that commands of the pages run in."""
    folder: Path = tmp_path_factory.mktemp("bin")
    return environment(folder)
