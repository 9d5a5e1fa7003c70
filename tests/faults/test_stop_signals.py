"""SIGINT and SIGTERM finish the piece in hand, and the same command continues."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest
from command import ended, start, wait_for_parts
from counted import count
from faulty_run import leftovers, parts, stamps


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed")
    code, said = ended(start(out))
    assert code == 0, said
    return parts(out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_piece_in_hand(
    tmp_path: Path, undisturbed: dict[str, bytes], number: signal.Signals
) -> None:
    process = start(tmp_path)
    wait_for_parts(tmp_path, 2, process)
    process.send_signal(number)
    code, said = ended(process)
    assert code == 130
    assert "stopping: the piece in hand is finished first" in said
    last = said.strip().splitlines()[-1]
    found = re.search(r"stopped after ([\d,]+) of ([\d,]+) records; .*the same command continues", last)
    assert found, said
    done, total = (int(text.replace(",", "")) for text in found.groups())
    manifest = json.loads(next(tmp_path.glob("smoke/*/manifest.json")).read_text())
    assert 0 < done < total
    assert manifest["models"]["dms"]["status"] == "stopped"
    assert manifest["models"]["dms"]["rows"] == done
    assert leftovers(tmp_path) == []
    # No report of half a run.
    assert not list(tmp_path.rglob("leaderboard.*"))
    finished = stamps(tmp_path)
    code, said = ended(start(tmp_path))
    assert code == 0, said
    assert finished.items() <= stamps(tmp_path).items()
    assert parts(tmp_path) == undisturbed
    count("runs of the command stopped by a signal, then continued to the same bytes")


def test_a_second_signal_stops_at_once(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    process = start(tmp_path)
    wait_for_parts(tmp_path, 1, process)
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    # Only once the first was taken is the next a second one.
    while "stopping" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    code, said = ended(process)
    assert code == 130
    assert "the same command continues" in said.strip().splitlines()[-1]
    assert leftovers(tmp_path) == []
    code, said = ended(start(tmp_path))
    assert code == 0, said
    assert parts(tmp_path) == undisturbed


def test_a_killed_command_continues_and_a_second_one_is_refused(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    process = start(tmp_path)
    wait_for_parts(tmp_path, 2, process)
    process.send_signal(signal.SIGSTOP)  # it holds the folder for as long as the second one needs
    code, said = ended(start(tmp_path))
    process.kill()
    assert code == 2
    assert "another run is writing here" in said.splitlines()[-1]
    ended(process)
    finished = stamps(tmp_path)
    code, said = ended(start(tmp_path))
    assert code == 0, said
    assert finished.items() <= stamps(tmp_path).items()
    assert parts(tmp_path) == undisturbed
    count("kills of the command, then continued to the same bytes")
