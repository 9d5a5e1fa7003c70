"""A gate as JUnit XML, which GitLab, Jenkins and others show as tests: one case a check.

Valid against the schema of Ant's JUnit task (Windy Road's JUnit.xsd) and against Jenkins' junit-10.xsd.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from dmsbench.plain_text import one_line, printable_lines
from dmsbench.report.gate.words import TITLES, figures, seen, verdict

if TYPE_CHECKING:
    from dmsbench.gate import GateCheck, Gated


def gate_junit(gated: Gated, when: datetime | None = None) -> str:
    """The document, newline at the end; ``when`` is by default now."""
    result = gated.result
    when = datetime.now(timezone.utc) if when is None else when
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        {
            "id": "0",
            "package": "dmsbench",
            "name": f"robustness gate: {one_line(gated.suite)}",
            "timestamp": when.strftime("%Y-%m-%dT%H:%M:%S"),
            "hostname": "localhost",
            "tests": str(len(result.checks)),
            "failures": str(len(result.failures)),
            "errors": "0",
            "time": "0",
        },
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (
        ("suite", gated.suite),
        ("score", result.score),
        ("reference", gated.reference.label),
        ("candidate", gated.candidate.label),
        ("config", result.config.where),
        ("tolerance", f"{result.tolerance:g}"),
        ("pairs", str(result.comparison.n_pairs)),
        ("images", str(result.comparison.n_groups)),
    ):
        ElementTree.SubElement(properties, "property", {"name": name, "value": one_line(value)})
    for check in result.checks:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {
                "classname": f"dmsbench.gate.{str(check.kind).replace(' ', '_')}",
                "name": one_line(result.title(check)),
                "time": "0",
            },
        )
        if not check.passed:
            failure = ElementTree.SubElement(
                case, "failure", {"message": one_line(check.message), "type": str(check.kind)}
            )
            failure.text = printable_lines(_details(check))
    said = [verdict(gated), seen(gated), *(f"note: {note}" for note in result.notes)]
    ElementTree.SubElement(suite, "system-out").text = printable_lines("\n".join(filter(None, said)))
    ElementTree.SubElement(suite, "system-err").text = ""
    ElementTree.indent(root, " ")
    body = ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _details(check: GateCheck) -> str:
    lines = [f"{title}: {value}" for title, value in zip(TITLES[1:], figures(check), strict=False) if value]
    return "\n".join([check.message, *lines])
