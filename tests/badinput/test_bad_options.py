"""The command line with absurd values: a message that can be shown, exit code 2, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from counted import count
from hypothesis import example, given
from hypothesis import strategies as st
from trials import check_message, trials

from dmsbench.cli import main as command_line
from dmsbench.errors import DmsbenchError, UnknownNameError

#: Commands that stop before any work, with the options to be filled in.
COMMANDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "run": (
        ("run", "--suite", "smoke", "--model", "baseline", "--limit", "1", "--dry-run"),
        (
            "--suite", "--model", "--data", "--images", "--limit", "--corruption", "--include-false",
            "--severity",
            "--score", "--seed", "--device", "--batch-size", "--threads", "--workers", "--time-limit",
            "--format",
        ),
    ),
    "compare": (("compare", "baseline", "dms", "--out", "nothing"), ("--suite", "--out", "--seed",
    "--format")),
    "gate": (
        ("gate", "--reference", "baseline", "--candidate", "dms", "--out", "nothing"),
        ("--reference", "--candidate", "--config", "--out", "--tolerance", "--flips", "--seed", "--format"),
    ),
    "power": (
        ("power", "--reference", "baseline", "--drop", "0.1", "--out", "nothing"),
        ("--reference", "--candidate", "--suite", "--drop", "--power", "--tolerance", "--rule",
        "--correlation",
        "--out", "--format"),
    ),
    "reference save": (
        ("reference", "save", "baseline", "--to", "none.parquet", "--out", "nothing"),
        ("--to", "--score", "--out"),
    ),
    "report": (("report", "nothing"), ("--out", "--format")),
    "leaderboard": (("leaderboard", "--out", "nothing"), ("--suite", "--out", "--format")),
    "rescore": (("rescore", "nothing"), ("--score", "--out")),
    "fit": (
        ("fit", "baseline", "--suite", "none.yaml", "--out", "fitted"),
        ("--suite", "--data", "--corruption", "--held-out", "--limit", "--signals", "--mwcl", "--seed",
        "--threads"),
    ),
    "preview": (("preview", "--image", "none.png"), ("--image", "--corruption", "--severity",
    "--backend", "--seed")),
    "suite check": (("suite", "check", "none.yaml"), ("--format",)),
    "list": (("list",), ("--format",)),
}  # fmt: skip
FILLED = [(name, option) for name, (_, options) in COMMANDS.items() for option in options]
ODD = (
    "", " ", "-", "--", "-1", "0", "1.5", "9" * 5000, "9" * 30, "1e400", "nan", "inf", "-inf", "0x10",
    "１２", "auto,",
    "a" * 300, "a" * 70_000, "a,b=c", "=", "x=", "=x", "baseline=", "baseline,fusion=",
    "baseline,fusion=dms,fusion=dms",
    "baseline,scheduler=/dev/zero", "x=/", "x=.", "/", ".", "..", "/dev/null", "/dev/zero",
    "/proc/self/mem", "~",
    "\x1b[2J", "a\nb", "\u202e", "\udcff", "\udcc3\udc28", "%s%n", "{}", "$(id)", "`id`", ";", "*",
    "clean,clean", "1-",
    "5-1", "1,,2", "cuda:99", "cpu:1", "mps", "meta", "None", "null", "[]", "fog", "table",
)  # fmt: skip


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Exit code and stderr of a command in this process."""
    argv = sys.argv
    sys.argv = ["dmsbench", *words]
    try:
        command_line.main()
        code: object = 0
    except SystemExit as stop:
        code = stop.code
    finally:
        sys.argv = argv
    count("bad inputs: command lines")
    assert isinstance(code, int) or code is None
    return code or 0, capsys.readouterr().err


def check_said(code: int, text: str) -> None:
    assert "Traceback" not in text
    assert "a fault of dmsbench" not in text
    assert code in (0, 1, 2, 3, 4)
    if code:
        # The framework draws its own about usage, on several lines.
        lines = text.splitlines()
        own = [line for line in lines if line.startswith("dmsbench: ")]
        if own:
            check_message(own[-1])
            assert own[-1].isprintable()
        else:
            assert code == 2
            assert lines


@trials(400)
@given(where=st.sampled_from(FILLED), value=st.sampled_from(ODD) | st.text(max_size=12))
@example(where=("run", "--device"), value="meta")
@example(where=("run", "--include-false"), value="\udcff")
@example(where=("run", "--score"), value="\udcff")
@example(where=("run", "--threads"), value="99999999")
@example(where=("fit", "--threads"), value="99999999")
@example(where=("run", "--limit"), value=str(10**30))
@example(where=("run", "--seed"), value=str(10**40))
def test_options_with_odd_values(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    where: tuple[str, str],
    value: str,
) -> None:
    monkeypatch.chdir(tmp_path_factory.getbasetemp())
    name, option = where
    check_said(*said(capsys, *COMMANDS[name][0], option, value))


@trials(300)
@given(words=st.lists(st.sampled_from(
    ["run", "compare", "gate", "report", "leaderboard", "fit", "suite", "check", "list", "--suite",
    "--out", "-q", "-v",
     "--dry-run", "--format", "json", "baseline", "dms", "none", "=", "--debug", "--nothing", "-z", "",
     "a:b", "x:"]
), max_size=6))  # fmt: skip
def test_words_in_any_order(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path_factory.getbasetemp())
    if "run" in words and "--dry-run" not in words:
        words = [*words, "--dry-run"]
    code, text = said(capsys, *words)
    if "--debug" not in words:
        check_said(code, text)


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--suite", b"\xff\xfe"],
        ["run", "--suite", "smoke", "--dry-run", "--out", b"\xff"],
        ["suite", "check", "/dev/zero"],
        ["run", "--suite", "smoke", "--data", "/dev/zero"],
        ["preview", "--image", "/dev/zero"],
        ["compare", b"\xc3\x28", "dms"],
    ],
)
def test_in_a_process_of_its_own(tmp_path: Path, words: list[str | bytes]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "dmsbench", *words],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        cwd=tmp_path,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        check=False,
    )
    count("bad inputs: command lines")
    check_said(ended.returncode, ended.stderr)


def test_what_nobody_foresaw_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_name: str) -> None:
        raise TypeError("one\ntwo \x1b[2J" + "x" * 10_000)

    monkeypatch.setattr("dmsbench.suite.load_suite", fails)
    code, text = said(capsys, "suite", "check", "smoke")
    assert code == 2
    assert text.startswith("dmsbench: this is a fault of dmsbench: TypeError: one two")
    check_message(text.removesuffix("\n"))
    assert text.endswith("'dmsbench --debug' before the command shows where\n")
    assert said(capsys, "--debug", "suite", "check", "smoke")[1].count("Traceback") == 1


@pytest.mark.parametrize("error", [MemoryError(), RecursionError("too deep")])
def test_what_python_gives_up_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(_name: str) -> None:
        raise error

    monkeypatch.setattr("dmsbench.suite.load_suite", fails)
    code, text = said(capsys, "suite", "check", "smoke")
    assert code == 2
    check_message(text.removesuffix("\n"))


def test_messages_are_bounded_and_come_back_from_workers() -> None:
    import pickle

    error = UnknownNameError("model", "m" * 10**6, ["dms"])
    check_message(str(error))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - what processes of one pool do
    assert type(again) is UnknownNameError
    assert str(again) == str(error)
    long = DmsbenchError("begin " + "y" * 10**6 + " end")
    check_message(str(long))
    assert str(long).startswith("begin y")
    assert str(long).endswith("y end")
