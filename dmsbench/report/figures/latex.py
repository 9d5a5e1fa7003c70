"""Tables as LaTeX with booktabs: ``\\input`` them into a ``table``. Any text may stand in a cell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dmsbench.plain_text import one_line

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{c: f"\\{c}" for c in "{}$&#%_"},
    **{c: f"{{{c}}}" for c in "[]*"},  # after \\ or \midrule these would be read as options
    **{c: f"{{{c}}}" for c in "-`',?!\""},  # so that two of them are no ligature
}
_ACCENTED = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿ"
"""What every LaTeX sets without another package."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose cells are LaTeX already; blocks are parted by a rule."""

    stem: str
    columns: tuple[str, ...]
    blocks: tuple[tuple[tuple[str, ...], ...], ...]
    words: int = 1
    """So many columns at the left are words, the others figures."""


def tex(text: str) -> str:
    """Text that LaTeX sets as it is.

    Of other scripts XeLaTeX and LuaLaTeX set the letters, if the font has them; pdfLaTeX, which would stop,
    says their code points.
    """
    found = re.sub(rf"[^ -~{_ACCENTED}]+", _other, _escaped(one_line(text)))
    return found.replace("{-}{-}", "-{}-{}").replace("{-}", "-")


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(c, c) for c in text)


def _other(found: re.Match[str]) -> str:
    codes = " ".join(f"U+{ord(c):04X}" for c in found[0])
    return rf"\ifdefined\Umathchar {found[0]}\else {codes}\fi{{}}"


def figure(text: str) -> str:
    """Numbers as ``report.formats`` writes them: with a real minus, one space in front of the unit."""
    found = text.replace("%", r"\%").replace("<", "$<$")
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", found)


def latex(table: Table) -> str:
    """A ``tabular`` of the package booktabs, nothing around it."""
    aligned = "l" * table.words + "r" * (len(table.columns) - table.words)
    lines = [rf"\begin{{tabular}}{{{aligned}}}", r"\toprule", _row(table.columns)]
    for block in table.blocks:
        if block:
            lines += [r"\midrule", *(_row(row) for row in block)]
    return "\n".join(["% needs \\usepackage{booktabs}", *lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _row(cells: Sequence[str]) -> str:
    return rf"{' & '.join(cells)} \\"
