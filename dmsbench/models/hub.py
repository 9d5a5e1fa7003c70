"""Checkpoints on the hub: the commit behind a branch or tag, and why one cannot be had."""

from __future__ import annotations

from pathlib import Path

#: What the library says where neither the network nor the cache has a file.
_NOT_HAD = ("couldn't connect to", "outgoing traffic has been disabled", "cannot find the requested files")


def commit_of(checkpoint: str | Path, revision: str) -> str | None:
    """The commit (40 hex digits) that a hub checkpoint's revision stands for; None for a folder.

    Raises what the library raises for one that is not there.
    """
    if Path(checkpoint).is_dir():
        return None
    from transformers.utils.hub import cached_file, extract_commit_hash

    found: str | None = extract_commit_hash(
        cached_file(str(checkpoint), "config.json", revision=revision), None
    )
    return found


def why_not_had(reason: str, checkpoint: str | Path, revision: str) -> str:
    """The reason why a hub checkpoint did not load; where it is not at hand, what helps."""
    if not any(words in reason.lower() for words in _NOT_HAD):
        return reason
    from huggingface_hub import constants

    cached = _cached(str(checkpoint), Path(constants.HF_HUB_CACHE))
    lacks = (
        f"revision '{revision}' of it is not in the cache ({', '.join(cached)})"
        if cached
        else "it is no folder and not in the cache"
    )
    fetch = f"hf download {checkpoint}" + ("" if revision == "main" else f" --revision {revision}")
    if constants.HF_HUB_OFFLINE:
        return f"{lacks}, and HF_HUB_OFFLINE is set; unset it, or run first, with a network: {fetch}"
    return f"{lacks}, and the hub cannot be reached; run first, with a network: {fetch}"


def _cached(checkpoint: str, cache: Path) -> list[str]:
    """What the cache holds of a repository: branches and tags, else commits."""
    folder = cache / f"models--{checkpoint.replace('/', '--')}"
    refs = folder / "refs"
    try:
        names = sorted(str(path.relative_to(refs)) for path in refs.rglob("*") if path.is_file())
        return names or sorted(path.name for path in (folder / "snapshots").iterdir())
    except OSError:
        return []
