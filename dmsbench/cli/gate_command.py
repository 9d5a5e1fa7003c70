"""``dmsbench gate``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dmsbench.cli.options import Format, Out, Quiet, Seed, TableFormat
from dmsbench.errors import DmsbenchError

if TYPE_CHECKING:
    from dmsbench.gate import Flips, Gated

#: Where GitHub Actions shows Markdown, and how much of it a step may write.
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
_MOST_OF_SUMMARY = 1_000_000
_FLIP_FILES = (".md", ".json", ".csv")


def gate(
    reference: Annotated[
        str,
        typer.Option(
            "--reference", help="The run to hold: FOLDER, FOLDER:MODEL, a model's name or a saved reference."
        ),
    ],
    candidate: Annotated[
        str | None,
        typer.Option(
            "--candidate",
            help="The run to judge, named alike; by default the newest of --out, where it leaves no choice.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="A gate.toml, or a pyproject.toml with [tool.dmsbench.gate]; by default this folder's.",
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            "--tolerance",
            help="Largest drop that passes, as a score: 0.02, two points, where nothing else is set.",
        ),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="JUnit XML to write, with a case a check.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Markdown to write, for a pull request.")
    ] = None,
    badge: Annotated[Path | None, typer.Option("--badge", help="SVG badge to write.")] = None,
    flips: Annotated[
        str | None,
        typer.Option(
            "--flips",
            help="Answers that were right and are wrong now: how many to print, or a .md, .json, .csv file.",
        ),
    ] = None,
    out: Out = Path("results"),
    seed: Seed = 0,
    format_: Format = None,
    quiet: Quiet = False,
) -> None:
    """Fails (exit 1) where a model is less robust than a reference, and noise does not explain it.

    A check of a score fails where the drop exceeds the tolerance and the paired interval of the change lies
    below 0, after Holm's correction over all checks; or, under the rule non-inferiority, unless it is shown
    that no more was lost. Floors, errors, missing conditions and times have limits of their own. Where
    GITHUB_STEP_SUMMARY is set the Markdown is appended there too. Exit 3 where the two cannot be compared.
    Examples:

      dmsbench gate --reference results/smoke/0123456789ab:baseline --candidate mine

      dmsbench gate --reference reference.parquet --junit gate.xml --flips 10

      dmsbench gate --reference baseline --candidate mine --format json
    """
    from dmsbench.cli.output import emit, tables, tell
    from dmsbench.gate import flips as find_flips
    from dmsbench.gate import gate_runs, load_config
    from dmsbench.report.gate.document import gate_dict, gate_sheet
    from dmsbench.report.gate.terminal import flips_table, gate_table
    from dmsbench.report.gate.words import seen, verdict

    shown, flips_file = _flips_wanted(flips)
    gated = gate_runs(
        reference, candidate, out=out, config=load_config(config), tolerance=tolerance, seed=seed
    )
    result = gated.result
    summary = os.environ.get(STEP_SUMMARY)
    found = find_flips(gated) if flips is not None or markdown is not None or summary else None
    _write_files(gated, found, junit, markdown, badge, flips_file)
    if summary:
        _append(Path(summary), gated, found)
    outcome = "passed" if result.passed else f"failed: {len(result.failures)} of {len(result.checks)} checks"
    lost, gained = sum(one.lost for one in result.flips), sum(one.gained for one in result.flips)
    lines = [
        *(f"note: {note}" for note in result.notes),
        *(f"FAIL {result.title(failure)}: {failure.message}" for failure in result.failures),
        f"{lost:,} answers went from right to wrong, {gained:,} from wrong to right",
        *(line for line in (seen(gated), verdict(gated)) if line),
    ]
    if shown and found is not None and found.note is not None:
        lines.insert(0, f"note: {found.note}")
    last = f"gate {outcome} (tolerance {result.tolerance:g})"
    if format_ in (None, TableFormat.TABLE):
        console = tables(quiet=quiet and format_ is None)
        console.print(gate_table(gated))
        if shown and found is not None:
            console.print(flips_table(found.lost[:shown], len(found.lost)))
        tell(console, *lines)
        tell(console, last, style="bold")
    else:
        emit(
            format_,
            lambda: gate_dict(gated, found if shown else None, shown),
            lambda: gate_sheet(gated),
            () if quiet else (*lines, last),
        )
    raise typer.Exit(0 if result.passed else 1)


def _flips_wanted(text: str | None) -> tuple[int, Path | None]:
    """How many to print, and the file for all of them."""
    if text is None:
        return 0, None
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text), None
    path = Path(text)
    if path.suffix.lower() not in _FLIP_FILES:
        raise DmsbenchError(
            f"--flips '{text}': give a number, or a file that ends in {', '.join(_FLIP_FILES)}"
        )
    return 0, path


def _write_files(
    gated: Gated,
    found: Flips | None,
    junit: Path | None,
    markdown: Path | None,
    badge: Path | None,
    flips: Path | None,
) -> None:
    from dmsbench.report.gate.badge import gate_badge
    from dmsbench.report.gate.junit import gate_junit
    from dmsbench.report.gate.markdown import gate_markdown

    texts: list[tuple[Path | None, Callable[[], str]]] = [
        (junit, lambda: gate_junit(gated)),
        (markdown, lambda: gate_markdown(gated, found)),
        (badge, lambda: gate_badge(gated)),
    ]
    if flips is not None and found is not None:
        texts.append((flips, lambda: _flips_text(found, flips.suffix.lower())))
    for path, text in texts:
        if path is not None:
            _write(path, text())


def _flips_text(found: Flips, suffix: str) -> str:
    from dmsbench.plain_text import json_text
    from dmsbench.report.formats import plain
    from dmsbench.report.gate.document import flip_dict, flips_sheet
    from dmsbench.report.gate.markdown import flips_markdown
    from dmsbench.report.sheets import to_csv

    if suffix == ".md":
        return flips_markdown(found.lost)
    if suffix == ".csv":
        return to_csv(flips_sheet(found.lost))
    document = {
        "right_to_wrong": len(found.lost),
        "wrong_to_right": found.gained,
        "note": found.note,
        "samples": [flip_dict(flip) for flip in found.lost],
    }
    return json_text(plain(document)) + "\n"


def _write(path: Path, text: str) -> None:
    from dmsbench.files import write_atomically

    try:
        write_atomically(path, text.encode("utf-8", "replace"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DmsbenchError(f"{path}: cannot be written ({reason})") from None


def _append(path: Path, gated: Gated, found: Flips | None) -> None:
    """To the page of a GitHub step; a gate does not fail because that cannot be written."""
    from dmsbench.cli.output import warn
    from dmsbench.report.gate.markdown import gate_markdown

    text = gate_markdown(gated, found)
    if len(text.encode()) > _MOST_OF_SUMMARY:
        text = gate_markdown(gated)
    try:
        with path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(text + "\n")
    except OSError as error:
        warn(f"{STEP_SUMMARY}: {path} cannot be written ({error.strerror or error})")
