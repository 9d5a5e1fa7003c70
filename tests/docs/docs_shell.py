"""Running and parsing what the pages tell readers to type."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from docs_needs import UsageError, command_tree, inner
from docs_pages import ROOT, Block

from dmsbench.models.spec import parse

#: What of the tester's environment a command may see.
_KEPT = ("HOME", "LANG", "LC_ALL", "TMPDIR", "MPLCONFIGDIR", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def environment(shims: Path) -> dict[str, str]:
    """An environment in which ``dmsbench`` and ``python`` are this checkout's, offline."""
    for name, module in (("dmsbench", "-m dmsbench "), ("python", "")):
        shim = shims / name
        shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module}"$@"\n', encoding="utf-8")
        shim.chmod(0o755)
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "PATH": os.pathsep.join([str(shims), "/usr/bin", "/bin"]),
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "120",
    }


def run(block: Block, folder: Path, env: Mapping[str, str]) -> str:
    """Runs a block of sh or python; its output, both streams. AssertionError for another exit code."""
    start = ["bash", "-euo", "pipefail", "-c"] if block.language == "sh" else [sys.executable, "-c"]
    done = subprocess.run(
        [*start, block.text],
        cwd=folder,
        env=dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == block.exit_code, (
        f"{block.where}: exit {done.returncode}, expected {block.exit_code}\n{block.text}\n{done.stdout}"
    )
    return done.stdout


def check_output(block: Block, output: str) -> None:
    """Every line that the page shows is in the output; blanks count as one, ``…`` is any text."""
    lines = [" ".join(line.split()) for line in output.split("\n")]
    for shown in filter(None, (" ".join(line.split()) for line in block.text.split("\n"))):
        pattern = re.compile(".*".join(map(re.escape, shown.split("…"))))
        assert any(pattern.fullmatch(line) for line in lines), (
            f"{block.where}: no line '{shown}' in\n{output}"
        )


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of every ``dmsbench`` of a shell text, without its comments and other commands."""
    for line in re.sub(r"\\\n\s*", " ", text).split("\n"):
        for piece in re.split(r"&&|\|\||;|\|", line):
            words = shlex.split(piece, comments=True)
            if words and Path(words[0]).name == "dmsbench":
                yield [word for word in words[1:] if not word.startswith(">")]


def check_command(arguments: list[str]) -> None:
    """Parses a command without running it; raises UsageError or a DmsbenchError.

    Of every ``--model`` the specification too; folders that it names must be there.
    """
    command, context, rest = command_tree(), None, list(arguments)
    while inner(command):
        context = command.make_context(command.name, rest[:1], parent=context, resilient_parsing=True)
        name = rest.pop(0) if rest else ""
        if name not in inner(command):
            raise UsageError(f"no command '{name}'")
        command = inner(command)[name]
    with command.make_context(command.name, rest, parent=context) as made:
        models = made.params.get("model") or ()
    for model in [models] if isinstance(models, str) else models:
        parse(model)


def make_folders(text: str, folder: Path) -> None:
    """The folders that specifications of models name, ``./checkpoint`` and ``scheduler=DIR``, in a folder."""
    for name in re.findall(r"(?:=|\s)(\./[^\s,]+)|scheduler=([^\s,]+)", text):
        (folder / (name[0] or name[1])).mkdir(parents=True, exist_ok=True)
