"""Rows a batch where nobody says it: as many as memory holds, by two small batches that are measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from heapq import nlargest
from itertools import islice
from pathlib import Path
from typing import Any

from dmsbench.data.base import Sample, SampleError
from dmsbench.grid import View
from dmsbench.models.base import Image, Prompt
from dmsbench.models.loaded import innermost, origin_of
from dmsbench.runner.arms import Arm
from dmsbench.runner.job import Job
from dmsbench.runner.patience import Patience
from dmsbench.runner.views import Views

#: Models below this many parameters are not measured: batches of the rule fit anywhere.
SMALL = 1e7
#: Rows of the two batches that are measured.
PROBE_ROWS = (4, 8)
#: Rows a picture, as the engines have it.
ROWS_A_PICTURE = 4
#: The share of free memory that a batch may take: answers longer than the probe's and fragments need some.
SHARE = 0.85
#: Rows at most: past these an accelerator is busy anyway, and a batch that fails costs more.
MOST_ROWS = 256
#: Of the longest texts so many are tried for those that a model can hold.
_LOOKED_AT = 64
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class BatchSize:
    """``rows`` a batch, and ``how`` that was found: given, rule or measured.

    Of a measured one ``bytes_per_row`` and ``free_bytes``, of the model that needs most.
    """

    rows: int
    how: str
    bytes_per_row: int | None = None
    free_bytes: int | None = None

    def entry(self) -> dict[str, Any]:
        """For the manifest."""
        measured = {"bytes_per_row": self.bytes_per_row, "free_bytes": self.free_bytes}
        return {
            "rows": self.rows,
            "how": self.how,
            **{name: value for name, value in measured.items() if value is not None},
        }

    def __str__(self) -> str:
        if self.bytes_per_row is None or self.free_bytes is None:
            return f"batches of {self.rows} rows ({self.how})"
        return (
            f"batches of {self.rows} rows (measured: {self.bytes_per_row / _MIB:.1f} MiB a row, "
            f"{self.free_bytes / _MIB:,.0f} MiB free)"
        )


@dataclass(frozen=True, slots=True)
class Meter:
    """How memory is measured, in bytes, of each device that a model may lie on.

    ``free``: what can still be taken; ``held``: what is taken; ``peak``: the most that was taken at any time
    of a call, with what was held before.
    """

    free: Callable[[], list[int]]
    held: Callable[[], list[int]]
    peak: Callable[[Callable[[], object]], list[int]]


def automatic_batch_size(arms: Sequence[Arm[Any]], device: str) -> int:
    """Rows a batch by rule: 256 for the embedded models, less the larger the model.

    A batch that does not fit is halved by the engine, so this only has to be a fair start.
    """
    largest = max((_parameters(arm.model) for arm in arms), default=0)
    if largest > 3e9:
        return 16
    if largest > 3e8:
        return 32
    return 256 if largest < SMALL or device != "cpu" else 64


def find_batch_size(
    job: Job,
    arms: Sequence[Arm[Any]],
    device: str,
    views: Views,
    *,
    patience: Patience | None = None,
    meter: Meter | None = None,
) -> BatchSize:
    """The batch size for all models of a run.

    Every model of 10⁷ parameters or more answers the job's longest texts at two sizes; the difference of the
    peaks is what a row costs. On an accelerator as many rows as fit, ``MOST_ROWS`` at most; on a CPU, where
    larger batches gain nothing, never more than the rule. Smaller models, models behind an API, and whatever
    cannot be measured go by the rule. No model is asked more than two batches.
    """
    rule = automatic_batch_size(arms, device)
    large = [arm for arm in arms if _parameters(arm.model) >= SMALL]
    spread = any(len(origin_of(arm.model).get("placement", ())) > 1 for arm in large)
    meter = meter_of(device, spread=spread) if meter is None and large else meter
    if meter is None or not large:
        return BatchSize(rule, "rule")
    most = rule if device == "cpu" else MOST_ROWS
    patience = Patience() if patience is None else patience
    found = [one for arm in large if (one := _measured(job, arm, views, patience, meter, most)) is not None]
    if len(found) < len(large):
        most = min(most, rule)
    if not found:
        return BatchSize(rule, "rule")
    tightest = min(found, key=lambda one: one.rows)
    return replace(tightest, rows=min(tightest.rows, most))


def _measured(
    job: Job, arm: Arm[Any], views: Views, patience: Patience, meter: Meter, most: int
) -> BatchSize | None:
    """How many rows of one model fit; None where that cannot be found out."""
    probe = _probe(job, arm.model, views)
    if probe is None:
        return None
    few, many = PROBE_ROWS
    free, held = meter.free(), meter.held()
    peaks: list[list[int]] = []
    for rows in (few, many):
        peak, trouble = patience.tried(partial(meter.peak, partial(probe, rows)), f"model '{arm.name}'")
        if trouble is not None and trouble.memory:
            # What did fit is a fair start, else a row: the engine halves no further than needed.
            return BatchSize(few if peaks else 1, "measured")
        if trouble is not None:
            return None
        peaks.append(peak)
    found = []
    for spare, before, less, more in zip(free, held, *peaks, strict=True):
        each = (more - less) // (many - few)
        if each > 0:
            fixed = max(0, less - before - few * each)
            found.append((int((SHARE * spare - fixed) // each), each, spare))
    if not found:
        return None
    rows, each, spare = min(found)
    return BatchSize(_rounded(rows, most), "measured", each, spare)


def _rounded(rows: int, most: int) -> int:
    """Within bounds, and of few values: a run that is started again should find the same."""
    rows = max(1, min(rows, most))
    return rows if rows < 8 or rows == most else rows // 8 * 8


def _probe(job: Job, model: Any, views: Views) -> Callable[[int], object] | None:
    """What answers so many of the job's longest texts, or encodes as many of retrieval; None without any."""
    samples = [sample for block in job.plan.blocks for sample in block.samples]
    picture = _picture(samples, views)
    # Unlike texts: what is the same in two rows may be computed once.
    longest = nlargest(_LOOKED_AT, samples, key=lambda one: len(one.question) + len(one.context or ""))
    if job.suite.task == "retrieval":
        texts = [sample.question for sample in longest[: max(PROBE_ROWS)]]

        def encode(rows: int) -> None:
            pictures = _pictures(rows)
            if picture is not None:
                model.encode_images([picture] * pictures, [str(n) for n in range(pictures)])
            model.encode_texts([texts[n % len(texts)] for n in range(rows)])

        return encode
    asked = [Prompt(sample.question, sample.context) for sample in longest]
    prompts = [prompt for prompt in asked if _fits(model, prompt)]
    if picture is None or not prompts:
        return None
    shown = picture

    def answer(rows: int) -> None:
        pictures = _pictures(rows)
        state = model.encode([shown] * pictures)
        # Others in the second batch: a model may remember what it has answered.
        some = [prompts[(rows - PROBE_ROWS[0] + n) % len(prompts)] for n in range(rows)]
        model.answer(state, [n % pictures for n in range(rows)], some)

    return answer


def _fits(model: Any, prompt: Prompt) -> bool:
    try:
        model.length(prompt)
    except SampleError:  # longer than its positions: no batch will have it
        return False
    return True


def _pictures(rows: int) -> int:
    return max(1, rows // ROWS_A_PICTURE)


def _picture(samples: Sequence[Sample], views: Views) -> Image | None:
    """The first picture that can be read."""
    for group in islice(dict.fromkeys(sample.group for sample in samples), 8):
        pixels = views.image(group, View()).pixels
        if pixels is not None:
            return pixels
    return None


def _parameters(model: Any) -> int:
    """A model's size, 0 where it is not known: behind an API, of another package."""
    count = innermost(model, "parameters")
    if not isinstance(count, int):
        count = getattr(innermost(model, "loaded"), "parameters", 0)
    return count if isinstance(count, int) else 0


def meter_of(device: str, *, spread: bool = False) -> Meter | None:
    """How memory is measured on a device, or on all of its kind; None where it cannot be."""
    if device.startswith("cuda"):
        return _cuda(device, spread)
    return _cpu() if device == "cpu" else None


def _cuda(device: str, spread: bool) -> Meter:
    import torch

    devices = [f"cuda:{n}" for n in range(torch.cuda.device_count())] if spread else [device]

    def held() -> list[int]:
        return [int(torch.cuda.memory_allocated(one)) for one in devices]

    def free() -> list[int]:
        # What the allocator keeps for later is free too.
        return [
            int(torch.cuda.mem_get_info(one)[0] + torch.cuda.memory_reserved(one) - taken)
            for one, taken in zip(devices, held(), strict=True)
        ]

    def peak(call: Callable[[], object]) -> list[int]:
        for one in devices:
            torch.cuda.reset_peak_memory_stats(one)
        call()
        for one in devices:
            torch.cuda.synchronize(one)
        return [int(torch.cuda.max_memory_allocated(one)) for one in devices]

    return Meter(free, held, peak)


_PROC = Path("/proc")


def _cpu() -> Meter | None:
    """By the kernel's own high-water mark, which a process may set back; None where it may not."""

    def reset() -> None:
        (_PROC / "self" / "clear_refs").write_text("5")

    def peak(call: Callable[[], object]) -> list[int]:
        reset()
        call()
        return [_kib("self/status", "VmHWM") * 1024]

    try:
        reset()
        _kib("self/status", "VmHWM")
    except (OSError, ValueError):
        return None
    return Meter(lambda: [free_ram()], lambda: [_kib("self/status", "VmRSS") * 1024], peak)


def free_ram() -> int:
    """Bytes that this process can still take, by the machine and by its container's limit."""
    free = _kib("meminfo", "MemAvailable") * 1024
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        try:
            free = min(free, int(Path(limit).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):  # no such limit, or "max"
            continue
    return max(0, free)


def _kib(file: str, name: str) -> int:
    for line in (_PROC / file).read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ValueError(f"/proc/{file} does not say {name}")
