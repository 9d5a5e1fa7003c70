"""Rows a batch: by rule, or as many as memory holds by two measured batches."""

from __future__ import annotations

import json
import mmap
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from echo_model import EchoModel
from hypothesis import given
from hypothesis import strategies as st
from toy_retrieval import HashRetriever

from dmsbench.cli import main as command_line
from dmsbench.models.base import Answers, Prompt
from dmsbench.models.endpoint.model import EndpointModel
from dmsbench.models.spec import parse
from dmsbench.runner import batch_size
from dmsbench.runner.arms import Arm
from dmsbench.runner.batch_size import (
    MOST_ROWS,
    SHARE,
    BatchSize,
    Meter,
    automatic_batch_size,
    find_batch_size,
    free_ram,
    meter_of,
)
from dmsbench.runner.patience import Patience
from dmsbench.runner.run import Job, prepare, views_of
from dmsbench.suite import load_suite

MIB = 2**20


@dataclass
class Heavy(EchoModel):
    """A model of a size that costs so much a batch and so much a row, and has so much."""

    parameters: int = 7_000_000_000
    fixed: int = 100 * MIB
    each: int = 10 * MIB
    free: int = 2000 * MIB
    taken: int = 0

    def answer(
        self, state: list[str], rows: Sequence[int], prompts: Sequence[Prompt], weights: Any = None
    ) -> Answers:
        self.taken = self.fixed + self.each * len(rows)
        if self.taken > self.free:
            self.batches.append(len(rows))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return super().answer(state, rows, prompts, weights)

    @property
    def meter(self) -> Meter:
        """Sees what a batch takes beside 500 MiB of weights."""

        def peak(call: Callable[[], object]) -> list[int]:
            call()
            return [500 * MIB + self.taken]

        return Meter(lambda: [self.free], lambda: [500 * MIB], peak)


@pytest.fixture
def job(suite_file: Path, tmp_path: Path) -> Job:
    return prepare(load_suite(str(suite_file)), tmp_path / "out")


def found(job: Job, *models: Any, device: str = "cuda", meter: Meter | None = None) -> BatchSize:
    arms = [Arm(f"m{n}", model, lambda _block, _plan: "key") for n, model in enumerate(models)]
    heavy = next((model for model in models if isinstance(model, Heavy)), None)
    if meter is None and heavy is not None:
        meter = heavy.meter
    return find_batch_size(job, arms, device, views_of(job), meter=meter)


def test_as_many_rows_as_fit(job: Job) -> None:
    model = Heavy()
    assert found(job, model) == BatchSize(160, "measured", 10 * MIB, 2000 * MIB)
    # (0.85 × 2000 − 100) / 10 = 160.
    assert model.batches == [4, 8] and model.encoded == 1 + 2
    # The longest questions, and others in the second batch.
    first, second = model.asked[:4], model.asked[4:]
    assert not {prompt for _, prompt in first} - {Prompt("what color is the shape?")}
    assert len(second) == 8


@given(
    each=st.integers(1, 10**9), fixed=st.integers(0, 10**10), free=st.integers(0, 10**11), cpu=st.booleans()
)
def test_a_batch_never_takes_more_than_its_share(each: int, fixed: int, free: int, cpu: bool) -> None:
    rows = batch_size._rounded(int((SHARE * free - fixed) // each), 16 if cpu else MOST_ROWS)
    assert 1 <= rows <= MOST_ROWS
    assert rows == 1 or fixed + rows * each <= SHARE * free


def test_a_machine_that_is_short_of_memory_is_asked_twice_at_most(job: Job) -> None:
    model = Heavy(free=160 * MIB)
    assert found(job, model) == BatchSize(4, "measured")
    assert model.batches == [4, 8]
    model = Heavy(free=120 * MIB)
    assert found(job, model) == BatchSize(1, "measured")
    assert model.batches == [4]


def test_the_model_that_needs_most_decides(job: Job) -> None:
    light, heavy = Heavy(each=MIB), Heavy(each=100 * MIB)

    def peak(call: Callable[[], object]) -> list[int]:
        light.taken = heavy.taken = 0
        call()
        return [500 * MIB + light.taken + heavy.taken]

    meter = Meter(lambda: [2000 * MIB], lambda: [500 * MIB], peak)
    assert found(job, light, heavy, EchoModel(), meter=meter).rows == 16


def test_of_a_spread_model_the_fullest_device_decides(job: Job) -> None:
    model = Heavy()

    def peak(call: Callable[[], object]) -> list[int]:
        call()
        return [model.taken, model.taken // 2, 7]

    meter = Meter(lambda: [2000 * MIB, 500 * MIB, 1], lambda: [0, 0, 7], peak)
    assert found(job, model, meter=meter) == BatchSize(72, "measured", 5 * MIB, 500 * MIB)


def test_small_models_and_those_behind_an_api_are_not_measured(job: Job) -> None:
    def never() -> Any:
        raise AssertionError("measured")

    small, unknown = Heavy(parameters=9_999_999), EchoModel()
    server = EndpointModel(parse("e=endpoint:http://localhost:1/v1,model=m").endpoint, max_new_tokens=16)  # type: ignore[arg-type]
    meter = Meter(never, never, lambda _call: never())
    for model in (small, unknown, server):
        assert found(job, model, meter=meter) == BatchSize(256, "rule")
    assert small.batches == []


def test_what_cannot_be_measured_goes_by_the_rule(job: Job) -> None:
    flat = Heavy(each=0)
    assert found(job, flat) == BatchSize(16, "rule")
    assert found(job, Heavy(parameters=500_000_000, poison="shape")) == BatchSize(32, "rule")
    assert found(job, Heavy(), device="mps", meter=None).how == "measured"  # the meter given
    assert meter_of("mps") is None


def test_a_model_that_hangs_is_not_waited_for(job: Job) -> None:
    import threading

    model = Heavy()
    arm: Arm[Any] = Arm("m", model, lambda _block, _plan: "key")
    model.meter.free()

    def peak(_call: Callable[[], object]) -> list[int]:
        threading.Event().wait(3600)
        return [0]

    meter = Meter(lambda: [MIB], lambda: [0], peak)
    rows = find_batch_size(job, [arm], "cuda", views_of(job), patience=Patience(0.05), meter=meter)
    assert rows == BatchSize(16, "rule")


def test_on_a_cpu_batches_are_never_larger_than_the_rule(job: Job) -> None:
    assert found(job, Heavy(each=1), device="cpu").rows == 16
    assert found(job, Heavy(each=170 * MIB), device="cpu").rows == 8


@pytest.mark.parametrize(
    ("parameters", "device", "rows"),
    [(10**6, "cpu", 256), (10**8, "cpu", 64), (10**8, "cuda", 256), (10**9, "cuda", 32), (10**10, "cpu", 16)],
)
def test_the_rule_goes_by_size(parameters: int, device: str, rows: int) -> None:
    arms = [Arm("m", Heavy(parameters=parameters), lambda _block, _plan: "key")]
    assert automatic_batch_size(arms, device) == rows


def test_the_size_of_a_checkpoint_is_found_beneath_what_wraps_it() -> None:
    from dmsbench.models.zoo import Zoo

    for spec in ("tiny-llava-scenes", "tiny-llava-scenes,fusion=dms", "tiny-llava-scenes,fusion=image"):
        assert batch_size._parameters(Zoo().load(parse(spec))) > 700_000


@dataclass
class HeavyRetriever(HashRetriever):
    parameters: int = 10**9
    sizes: list[int] = field(default_factory=list)

    def encode_images(self, images: Any, keys: Any) -> Any:
        self.sizes.append(len(images))
        return super().encode_images(images, keys)


def test_of_retrieval_pictures_and_texts_are_encoded(job: Job) -> None:
    model = HeavyRetriever()
    retrieval = job.suite.model_copy(update={"task": "retrieval"})
    job = Job(retrieval, job.dataset, job.plan, job.identity, job.folder, job.score)
    taken = 0

    def peak(call: Callable[[], object]) -> list[int]:
        nonlocal taken
        call()
        taken = MIB * len(model.texts)  # 4, then 12
        return [taken]

    meter = Meter(lambda: [100 * MIB], lambda: [0], peak)
    assert found(job, model, meter=meter) == BatchSize(40, "measured", 2 * MIB, 100 * MIB)
    assert model.sizes == [1, 2] and len(model.texts) == 12


# How memory is measured


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def _take_and_give_back() -> None:
    """Pages of its own: the allocator may hold as many that another test has freed."""
    with mmap.mmap(-1, 96 * MIB) as pages:
        for place in range(0, 96 * MIB, mmap.PAGESIZE):
            pages[place] = 1


def test_the_peak_of_a_call_is_seen_though_it_is_over() -> None:
    meter = meter_of("cpu")
    if meter is None:
        pytest.skip("this system does not let a process set its high-water mark back")
    (held,), (nothing,) = meter.held(), meter.peak(lambda: None)
    (peak,) = meter.peak(_take_and_give_back)
    assert 90 * MIB < peak - held < 200 * MIB and nothing - held < 30 * MIB
    assert 0 < free_ram() == pytest.approx(meter.free()[0], rel=0.5)


def test_on_cuda_what_the_allocator_keeps_counts_as_free(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"allocated": 10, "peak": 10, "reserved": 25, "resets": 0, "waits": 0}

    def call() -> None:
        state["peak"] = 70

    def reset(_device: str) -> None:
        state["peak"], state["resets"] = state["allocated"], state["resets"] + 1

    def wait(_device: str) -> None:
        state["waits"] += 1

    for name, value in {
        "memory_allocated": lambda _device: state["allocated"],
        "memory_reserved": lambda _device: state["reserved"],
        "max_memory_allocated": lambda _device: state["peak"],
        "mem_get_info": lambda _device: (100, 200),
        "device_count": lambda: 2,
        "reset_peak_memory_stats": reset,
        "synchronize": wait,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    meter = meter_of("cuda:1")
    assert meter is not None
    assert (meter.free(), meter.held(), meter.peak(call)) == ([115], [10], [70])
    assert (state["resets"], state["waits"]) == (1, 1)
    spread = meter_of("cuda", spread=True)
    assert spread is not None and spread.free() == [115, 115]


# In a run


def test_a_run_says_how_its_batches_were_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(batch_size, "SMALL", 0)
    calls: list[object] = []

    def peak(call: Callable[[], object]) -> list[int]:
        calls.append(call())
        return [len(calls) * 40 * MIB]

    meter = Meter(lambda: [400 * MIB], lambda: [0], peak)
    monkeypatch.setattr(batch_size, "meter_of", lambda _device, *, spread: meter)

    def run(*more: str) -> tuple[str, str]:
        common = ["run", "--suite", "smoke", "--limit", "2", "--corruption", "clean", "--model", "baseline"]
        calls.clear()
        monkeypatch.setattr(sys, "argv", ["dmsbench", *common, "--out", str(tmp_path), *more])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        assert not ended.value.code
        captured = capsys.readouterr()
        return captured.out, captured.err

    planned = json.loads(run("--dry-run", "--format", "json")[0])
    # 40 and 80 MiB for 4 and 8 rows: 10 MiB a row of 0.85 × 400.
    entry = {"rows": 32, "how": "measured", "bytes_per_row": 10 * MIB, "free_bytes": 400 * MIB}
    assert planned["batch"] == entry and planned["batch_size"] == 32
    said = " ".join("".join(run("-v")).split())
    assert "batches of 32 rows (measured: 10.0 MiB a row, 400 MiB free)" in said
    (manifest,) = tmp_path.rglob("manifest.json")
    assert json.loads(manifest.read_text())["models"]["baseline"]["batch"] == entry
    assert json.loads(manifest.read_text())["models"]["baseline"]["loaded"] == {"parameters": 746_304}
