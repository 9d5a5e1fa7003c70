"""What kind of machine models ran on: times of two runs mean something beside each other on one kind only."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def machine(device: str) -> dict[str, str | int]:
    """Processor, its cores and the device that models ran on, by its name; nothing that tells one machine
    from another of its kind."""
    return {"processor": _processor(), "cores": os.cpu_count() or 1, "device": _named(device)}


@cache
def _processor() -> str:
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Processor", "cpu model") and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def _named(device: str) -> str:
    """An accelerator by what its maker calls it, where torch is there and knows."""
    torch = sys.modules.get("torch")
    if torch is None or not device.startswith("cuda") or not torch.cuda.is_available():
        return device
    return str(torch.cuda.get_device_name(device))
