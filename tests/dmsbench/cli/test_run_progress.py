"""Progress: what is counted, what is shown where, and the real command in a real terminal."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from dmsbench.cli.meter import Laps, Meter, stretches
from dmsbench.cli.output import lively
from dmsbench.cli.progress import fields, plain_line, watching
from dmsbench.data.base import Sample
from dmsbench.grid import CLEAN, View
from dmsbench.runner.arms import Progress as Event
from dmsbench.runner.plan import Block, ImagePlan, Plan

FOG = View("fog", 1)
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def sample(name: str) -> Sample:
    return Sample(id=name, group=name, image=Path(name), question="what?", answers=("it",))


#: Two blocks of 6 and 4 samples; clean with two texts, fog with one.
PLAN = Plan(
    (
        Block(0, tuple(sample(f"a{i}") for i in range(6))),
        Block(1, tuple(sample(f"b{i}") for i in range(4))),
    ),
    (ImagePlan(CLEAN, (CLEAN, View("ocr", 1))), ImagePlan(FOG, (CLEAN,))),
)


def test_rates_do_not_count_what_was_reused() -> None:
    meter = Meter(PLAN, ["m"], 0.0)
    meter.add(Event("m", CLEAN, 12, 2, reused=True), 4.0)
    assert (meter.rate(), meter.left()) == (None, None)
    meter.add(Event("m", FOG, 6, 0, reused=False), 7.0)
    # 6 rows in the 3 seconds since the last reused piece, 12 to come.
    assert meter.rate() == pytest.approx(2.0)
    assert meter.left() == pytest.approx(6.0)
    assert (meter.rows, meter.errors, meter.total_rows) == (18, 2, 30)


def test_a_condition_is_done_when_every_sample_is() -> None:
    meter = Meter(PLAN, ["m"], 0.0)
    for now, (view, rows) in enumerate([(CLEAN, 12), (FOG, 6), (CLEAN, 8)], 1):
        meter.add(Event("m", view, rows, 0, reused=False), float(now))
    assert meter.courses["m"].conditions == 2
    meter.add(Event("m", FOG, 4, 0, reused=False), 4.0)
    assert fields(meter, "m")["conditions"] == "3/3 conditions"
    assert fields(meter, "m")["left"] == "done"


def test_all_reused_leaves_nothing_to_do() -> None:
    meter = Meter(PLAN, ["m"], 0.0)
    meter.add(Event("m", CLEAN, 30, 0, reused=True), 1.0)
    assert (meter.rate(), meter.left()) == (None, 0.0)
    assert plain_line(meter) == "30 of 30 rows (100%), 30 from an earlier run, 0 errors, done"


def test_laps_end_with_blocks_or_with_views() -> None:
    laps = Laps(stretches(PLAN, 2, by_view=False), 0.0)
    assert laps.add(35, 1.0) == []
    assert laps.add(36, 2.0) == ["block 1 of 2: 36 rows in 2.0 s"]
    assert laps.add(60, 2.5) == ["block 2 of 2: 24 rows in 0.5 s"]
    views = Laps(stretches(PLAN, 1, by_view=True), 0.0)
    assert views.add(30, 3.0) == ["clean: 20 rows in 3.0 s", "fog@1: 10 rows in 0.0 s"]


@pytest.mark.parametrize(
    ("environment", "bars"),
    [
        ({}, True),
        ({"CI": "false"}, True),
        ({"CI": "true"}, False),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
    ],
)
def test_where_bars_are_drawn(environment: dict[str, str], bars: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, force_interactive=True)
    assert lively(console, environment) is bars
    assert not lively(Console(file=io.StringIO(), force_terminal=False), environment)


def shown(console: Console, environment: dict[str, str], seconds: list[float]) -> None:
    ticks = iter(seconds)
    with watching(console, PLAN, ["[b]m"], clock=lambda: next(ticks), environment=environment) as show:
        show(Event("[b]m", CLEAN, 20, 1, reused=False))
        show(Event("[b]m", FOG, 10, 0, reused=False))


def test_bars_in_a_terminal() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, force_interactive=True, width=140, color_system=None)
    shown(console, {}, [0.0, 0.0, 2.0, 3.0])
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    assert "\x1b" in out.getvalue()
    assert "[b]m" in last and "30/30 3/3 conditions" in last
    assert "10 rows/s" in last and "1 error" in last and "done" in last


def test_plain_lines_elsewhere() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, force_interactive=True, width=80, color_system=None)
    shown(console, {"CI": "true"}, [0.0, 0.0, 10.0, 15.0])
    assert out.getvalue().splitlines() == [
        "20 of 30 rows (67%), 2 rows/s, 1 error, 0:00:05 left; [b]m at clean",
        "30 of 30 rows (100%), 2 rows/s, 1 error, done",
    ]
    assert not CONTROL.search(out.getvalue())


def in_terminal(arguments: list[str], columns: int, **environment: str) -> tuple[int, str]:
    """The exit code of the command in a terminal of so many columns, and all that it wrote there."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "dmsbench", *arguments],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=inherited | {"TERM": "xterm-256color"} | environment,
    )
    os.close(follower)
    out = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError as error:
            assert error.errno == errno.EIO
            break
        if not piece:
            break
        out += piece
    os.close(leader)
    return process.wait(), out.decode()


def test_the_command_in_a_terminal(tmp_path: Path) -> None:
    run = ["run", "--suite", "smoke", "--limit", "10", "--out", str(tmp_path)]
    code, text = in_terminal([*run, "--model", "baseline"], 80)
    assert code == 0
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text))
    bars = [line for line in lines if "/190" in line]
    assert any("rows/s" in line for line in bars)
    assert any("190/190" in line and "done" in line for line in bars)
    assert max(map(len, bars)) <= 80
    code, text = in_terminal(run, 80, NO_COLOR="1")
    assert (code, "\x1b" in text) == (0, False)
    assert "380 of 380 rows (100%), 190 from an earlier run, " in text


def test_data_on_stdout_and_progress_on_stderr(tmp_path: Path) -> None:
    run = ["run", "--suite", "smoke", "--limit", "5", "--corruption", "keyboard", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "dmsbench", *run, "--format", "json", "--verbose"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert {"leaderboard", "by_corruption", "files", "run"} <= found.keys()
    assert found["run"]["dms"]["records"] == 20
    assert [entry["corruption"] for entry in found["by_corruption"]] == ["keyboard"]
    for words in (
        "threads, batches of",
        "model dms: ",
        "block 1 of 1: 40 rows in",
        "encoded and answered in",
    ):
        assert words in done.stderr
    assert not CONTROL.search(done.stderr)


def test_quiet_and_verbose_are_one_too_many(dmsbench: Callable[..., object]) -> None:
    done = dmsbench("run", "--suite", "smoke", "-q", "-v")
    assert getattr(done, "err", "") == "dmsbench: --quiet and --verbose: one of them\n"
