"""``dmsbench fit``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmsbench.cli.options import MOST_THREADS, AllowOutside, TrustRemoteCode
from dmsbench.errors import DmsbenchError
from dmsbench.models.spec import LOADING

if TYPE_CHECKING:
    from rich.console import Console

    from dmsbench.data import Dataset
    from dmsbench.models.fitted import FittedFolder
    from dmsbench.models.spec import ModelSpec
    from dmsbench.suite import Suite
    from dmsbench.training.validation import Figures


#: What of the rivals' figures is printed, by the name that ``fusion=`` gives each.
_SAVED = {
    "rule": "rule",
    "late": "late/probability/corners",
    "pdf": "pdf/probability/corners",
    "constant": "constant",
    "permuted": "permuted",
}


class Signals(str, Enum):
    """What the scheduler looks at."""

    PAPER = "paper"
    ANSWERS = "answers"
    ALL = "all"


class Source(str, Enum):
    """Where the scheduler's signals come from."""

    CORNER = "corner"
    PROBE = "probe"


def fit(
    model: Annotated[str, typer.Argument(help="A builtin name, a folder or a hub id, with options.")],
    suite: Annotated[str, typer.Option("--suite", help="A suite by name, or a suite file.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the scheduler.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Training data: your own JSONL, Parquet, CSV or TSV file.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Image folder of --data; by default the file's own folder."),
    ] = None,
    allow_outside: AllowOutside = False,
    corruption: Annotated[
        list[str] | None,
        typer.Option("--corruption", help="Fit on this corruption instead of the usual ones. Repeatable."),
    ] = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            "--held-out",
            help="Reserve this corruption for testing, or a whole family, such as image:noise. Repeatable.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", min=0, help="Training samples; 0: all. Default 16000, of captions 4000, of items 3000."
        ),
    ] = None,
    signals: Annotated[
        Signals,
        typer.Option(
            "--signals",
            help="paper: confidence, uncertainty, consistency. answers: margins and agreement too. "
            "all: typicality too.",
        ),
    ] = Signals.ALL,
    source: Annotated[
        Source,
        typer.Option(
            "--source",
            help="Of the signals. corner: the checkpoint with each modality alone; answers are mixed. probe: "
            "small heads on each modality, before the checkpoint runs; it is asked once.",
        ),
    ] = Source.CORNER,
    mwcl: Annotated[
        float,
        typer.Option(
            "--mwcl", min=0.0, help="Weight of the modality weight consistency loss. Keeps hidden states."
        ),
    ] = 0.0,
    mwcl_attached: Annotated[
        bool,
        typer.Option(
            "--mwcl-attached",
            help="Let its gradient reach the weights: on a frozen checkpoint it reaches nothing else.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of corruptions, split and network.")] = 0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, max=MOST_THREADS, help="CPU threads; by default all cores."),
    ] = None,
    trust_remote_code: TrustRemoteCode = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no tables.")] = False,
) -> None:
    """Fits a scheduler for a frozen checkpoint on a suite's training split under simulated corruption.

    A fit that was stopped continues where it was. Examples:

      dmsbench fit baseline --suite vqa-corrupt --out schedulers/mine

      dmsbench run --suite vqa-corrupt --model mine=baseline,fusion=dms,scheduler=schedulers/mine
    """
    from dmsbench.models.spec import parse
    from dmsbench.suite import load_suite
    from dmsbench.training.simulated import chosen_families, reserved

    if images is not None and data is None:
        raise DmsbenchError("--images belongs to --data: give the question file too")
    _check_loss(mwcl, mwcl_attached, source)
    spec = parse(model)
    if spec.plugin is not None:
        raise DmsbenchError(f"'{spec.checkpoint}' is a plug-in's model: schedulers are fitted to checkpoints")
    if spec.endpoint is not None:
        raise DmsbenchError(f"'{spec.checkpoint}' is behind an API: schedulers are fitted to checkpoints")
    _check_folder(out)
    loaded = load_suite(suite)
    _check_task(loaded, source, mwcl)
    loaded.differing()  # a missing backend must not cost the seconds that importing torch takes
    families = chosen_families(corruption or (), held_out or ())
    if allow_outside and data is None:
        raise DmsbenchError("--allow-outside belongs to --data: give the question file too")
    dataset = _training_data(loaded, data, images, allow_outside)

    import torch
    from rich.console import Console
    from transformers.utils import logging as transformers_logging

    from dmsbench.cli.output import tell, warn
    from dmsbench.cli.progress import counting
    from dmsbench.models.trust import trusting_code
    from dmsbench.models.zoo import pick_device
    from dmsbench.training import fit as fitting

    if threads is not None:
        torch.set_num_threads(threads)
    messages = Console(stderr=True, quiet=quiet)
    transformers_logging.disable_progress_bar()
    usual = {"captioning": fitting.CAPTIONS, "retrieval": fitting.ITEMS}.get(loaded.task, fitting.LIMIT)
    plan = fitting.FitPlan(
        families,
        reserved(held_out or ()),
        usual if limit is None else limit or None,
        signals.value,
        seed,
        source=source.value,
        each_token=loaded.task == "captioning",
        mwcl=mwcl,
    )
    with trusting_code(trust_remote_code, warn):
        fit = _fitting(spec, loaded, pick_device(device))
    tell(messages, f"{spec.name} on {dataset.name}/{dataset.split}: clean, {', '.join(families)}")
    with counting(messages, "views of images") as show:
        folder, reached = fit(
            dataset,
            loaded,
            out,
            plan,
            on_progress=lambda event: show(event.done, event.total, f"{event.rows:,} rows"),
        )
    _print(reached, folder, spec, out, Console(quiet=quiet))


def _fitting(spec: ModelSpec, suite: Suite, device: str) -> Callable[..., tuple[FittedFolder, Figures]]:
    """What fits this checkpoint on the suite's task."""
    if suite.task == "retrieval":
        from dmsbench.models.retrieval_zoo import RetrievalZoo
        from dmsbench.training import retrieval_fit

        return partial(retrieval_fit.fit, RetrievalZoo(device).adapter(spec))
    from dmsbench.models.zoo import Zoo
    from dmsbench.training import fit as fitting

    adapter = Zoo(device, task=suite.task).adapter(spec)
    return partial(fitting.fit, adapter, batch_size=fitting.rows_a_batch(adapter))


def _training_data(suite: Suite, data: Path | None, images: Path | None, allow_outside: bool) -> Dataset:
    from dmsbench.data import load_dataset
    from dmsbench.runner.scoring import configured

    config = suite.dataset
    if data is not None:
        if config.path is not None and config.path.resolve() == data.resolve():
            raise DmsbenchError(f"--data {data}: suite '{suite.name}' tests on this file; fit on another")
        found = load_dataset("local", path=data, images=images, task=suite.task, allow_outside=allow_outside)
        if config.path is not None:
            shared = _pictures(found) & _pictures(configured(config, suite.task))
            if shared:
                raise DmsbenchError(
                    f"--data {data}: suite '{suite.name}' tests on {len(shared):,} of its pictures, "
                    f"'{min(shared)}' among them; fit on others"
                )
        return found
    if config.name in ("local", "webdataset"):
        raise DmsbenchError(
            f"suite '{suite.name}' has local data without a training split: give a training file by --data"
        )
    if config.split == "train":
        raise DmsbenchError(
            f"suite '{suite.name}' tests on the training split: a fit on it would have seen it"
        )
    if config.is_public or config.foreign:
        return configured(config.model_copy(update={"split": "train", "streaming": False}), suite.task)
    return load_dataset(config.name, "train", level=config.level, task=suite.task)


def _pictures(dataset: Dataset) -> set[Path]:
    """The files of the images that can be asked about."""
    images = (sample.image for sample in dataset.samples if sample.fault is None)
    return {image.resolve() for image in images if isinstance(image, Path)}


def _check_task(suite: Suite, source: Source, mwcl: float) -> None:
    """Probes and hidden states are of answers to questions."""
    from dmsbench.tasks.catalogue import DESCRIPTIONS, is_foreign

    if is_foreign(suite.task):
        raise DmsbenchError(
            f"suite '{suite.name}' has task '{suite.task}' of another package: there are fits for "
            f"{', '.join(DESCRIPTIONS)} only; static models and the rule (fusion=dms,alpha=…) need none"
        )
    reasons = {
        "captioning": "is of captions, whose tokens probes do not see",
        "retrieval": "is of retrieval, where nothing is asked that a probe could answer",
    }
    if source is Source.PROBE and suite.task in reasons:
        raise DmsbenchError(
            f"--source probe: suite '{suite.name}' {reasons[suite.task]}; use --source corner"
        )
    if mwcl and suite.task == "retrieval":
        raise DmsbenchError(f"--mwcl: suite '{suite.name}' is of retrieval, where no answers are fused")


def _check_folder(out: Path) -> None:
    """A checkpoint's own ``scheduler.json`` holds the rule's numbers: a fit would replace it."""
    if out.exists() and not out.is_dir():
        raise DmsbenchError(f"--out {out}: is no folder")
    if (out / "config.json").exists():
        raise DmsbenchError(f"--out {out}: is the folder of a checkpoint; give the scheduler one of its own")


def _check_loss(mwcl: float, attached: bool, source: Source) -> None:
    """A frozen checkpoint has no other gradient: with detached weights the loss would move nothing."""
    if not math.isfinite(mwcl):
        raise DmsbenchError(f"--mwcl {mwcl}: give a finite number")
    if mwcl and source is Source.PROBE:
        raise DmsbenchError(
            "--mwcl: the loss is of the weights that shares mix to, and a scheduler on probes mixes none, it "
            "chooses one point a sample; use --source corner"
        )
    if mwcl and not attached:
        raise DmsbenchError(
            "--mwcl: the checkpoint is frozen, so with detached weights the loss moves nothing; "
            "add --mwcl-attached"
        )
    if attached and not mwcl:
        raise DmsbenchError("--mwcl-attached belongs to --mwcl: give the loss a weight above 0")


def _print(reached: Figures, folder: FittedFolder, spec: ModelSpec, out: Path, console: Console) -> None:
    from rich.table import Table

    from dmsbench.cli.output import tell
    from dmsbench.report.tables import literal

    # None for a fit that makes none.
    rivals: Mapping[str, Any] | None = folder.facts.get("rivals")
    each = folder.steps == "each"

    table = Table(
        "condition",
        "tokens" if each else "rows",
        "static",
        "fitted",
        "best point",
        "image weight",
        title=literal(
            f"{spec.name}: validation images"
            + (", share of tokens that are right where those before it are told" if each else "")
        ),
    )
    for condition, cell in reached.conditions.items():
        table.add_row(
            condition,
            f"{cell.rows:,}",
            *(f"{share:.3f}" for share in (cell.static, cell.learned, cell.oracle)),
            f"{cell.image_weight:.2f}",
        )
    console.print(table)
    closed = "" if reached.headroom_closed is None else f" ({reached.headroom_closed:.0%} of the headroom)"
    lines = [
        f"mean: static {reached.static.accuracy:.4f}, best constant {reached.best_constant.accuracy:.4f}, "
        f"fitted {reached.learned.accuracy:.4f}{closed}, best point per condition {reached.oracle:.4f}",
    ]
    use = f"use it: --model NAME={_unscheduled(spec)},fusion=dms,scheduler={out}"
    if rivals is not None:
        told = ", ".join(f"{name} {rivals[key]['accuracy']:.4f}" for name, key in _SAVED.items())
        lines.append(f"with what was saved beside it: {told}")
        use += f" (or fusion={'|'.join(_SAVED)})"
    tell(console, *lines, use)


def _unscheduled(spec: ModelSpec) -> str:
    """The checkpoint with the options that decide how it is loaded."""
    kept = {key: value for key, value in spec.options.items() if key in LOADING}
    return str(replace(spec, options=kept))
