"""``python -m dmsbench.training``: the recipes of the embedded checkpoints."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dmsbench.errors import DmsbenchError


def main() -> None:
    """Reads the command line and trains a checkpoint, or chooses a rule for one."""
    parser = argparse.ArgumentParser(prog="python -m dmsbench.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("checkpoint", help="train tiny-llava-easy-vqa from scratch")
    train.add_argument("out", type=Path, help="folder for the checkpoint")
    train.add_argument("--seed", type=int, default=0, help="of the initial weights and of the data order")
    train.add_argument("--tower-epochs", type=int, help="epochs of stage 1, the vision tower")
    train.add_argument("--epochs", type=int, help="epochs of stage 2, the whole model")
    reader = commands.add_parser("reader", help="train the language model that scenes checkpoints start from")
    scenes = commands.add_parser("scenes", help="train a checkpoint on scenes, or go on with one")
    for command in (reader, scenes):
        command.add_argument("out", type=Path, help="folder for the checkpoint")
        command.add_argument("--seed", type=int, default=0, help="of the initial weights and of the scenes")
        command.add_argument("--level", type=int, choices=(1, 2, 3), help="difficulty of the scenes")
        command.add_argument("--reading-steps", type=int, help="steps of stage 0, contexts alone")
    scenes.add_argument(
        "--regime", choices=("clean", "augmented"), help="on clean data, or half of it corrupted"
    )
    scenes.add_argument(
        "--family",
        choices=("llava", "blip-2"),
        default="llava",
        help="tiny-llava-scenes or tiny-blip2-scenes",
    )
    scenes.add_argument(
        "--absent-share",
        type=float,
        help="of contexts without their picture, and of those without themselves",
    )
    scenes.add_argument("--from", dest="start", type=Path, help="a reader or a checkpoint to go on from")
    scenes.add_argument("--tower-steps", type=int, help="steps of stage 1, the vision tower")
    scenes.add_argument("--steps", type=int, help="steps of stage 2, the whole model")
    retrieval = commands.add_parser("retrieval", help="train a checkpoint that retrieves scenes")
    retrieval.add_argument("out", type=Path, help="folder for the checkpoint")
    retrieval.add_argument(
        "--family",
        choices=("blip-2", "clip"),
        default="blip-2",
        help="tiny-blip2-retrieval or tiny-clip-scenes",
    )
    retrieval.add_argument(
        "--from",
        dest="start",
        type=Path,
        help="the scenes checkpoint whose tower it begins with; by default the embedded one",
    )
    retrieval.add_argument("--seed", type=int, default=0, help="of the initial weights and of the scenes")
    retrieval.add_argument("--level", type=int, choices=(1, 2, 3), help="difficulty of the scenes")
    retrieval.add_argument("--steps", type=int, help="steps of both stages together")
    retrieval.add_argument("--pictures", type=int, help="pictures a step")
    rule = commands.add_parser("rule", help="choose alpha and beta of the rule-based scheduler on validation")
    rule.add_argument("checkpoint", type=Path, help="the checkpoint's folder; scheduler.json goes there")
    rule.add_argument("--samples", type=int, default=500, help="validation samples")
    for command in (train, reader, scenes, retrieval, rule):
        command.add_argument("--threads", type=int, help="CPU threads (torch's default if not given)")
    given = parser.parse_args()

    import torch

    if given.threads:
        torch.set_num_threads(given.threads)
    try:
        _run(given)
    except DmsbenchError as error:
        parser.exit(2, f"error: {error}\n")


def _run(given: argparse.Namespace) -> None:
    if given.command == "checkpoint":
        _train(given)
    elif given.command == "reader":
        _train_reader(given)
    elif given.command == "scenes":
        _train_scenes(given)
    elif given.command == "retrieval":
        _train_retrieval(given)
    else:
        from dmsbench.training.rule import choose

        found = choose(given.checkpoint, given.samples, _say)
        _say(f"alpha {found['alpha']:g}, beta {found['beta']:g}: {found['validation_mean']}")


def _train(given: argparse.Namespace) -> None:
    from dmsbench.training.recipe import train
    from dmsbench.training.tiny_llava import Recipe

    wanted = {"tower_epochs": given.tower_epochs, "epochs": given.epochs}
    accuracy = train(Recipe(seed=given.seed, **_given(wanted)), given.out, _say)
    _say(f"saved to {given.out}; validation accuracy {accuracy:.4f}")


def _train_reader(given: argparse.Namespace) -> None:
    from dmsbench.training.scene_recipe import Recipe
    from dmsbench.training.scenes import train_reader

    wanted = {"level": given.level, "reading_steps": given.reading_steps}
    train_reader(Recipe(seed=given.seed, **_given(wanted)), given.out, _say)
    _say(f"saved to {given.out}")


def _train_scenes(given: argparse.Namespace) -> None:
    from dmsbench.training.saving import weights_hash
    from dmsbench.training.scene_recipe import TOWER_STEPS, Recipe
    from dmsbench.training.scenes import train

    wanted = {
        "level": given.level,
        "family": given.family,
        "regime": given.regime,
        "absent_share": given.absent_share,
        "reading_steps": given.reading_steps,
        "tower_steps": TOWER_STEPS[given.family] if given.tower_steps is None else given.tower_steps,
        "steps": given.steps,
        "start": weights_hash(given.start) if given.start else None,
    }
    found = train(Recipe(seed=given.seed, **_given(wanted)), given.out, _say, given.start)
    shares = ", ".join(f"{name} {share:.4f}" for name, share in found.items())
    _say(f"saved to {given.out}; validation accuracy: {shares}")


def _train_retrieval(given: argparse.Namespace) -> None:
    from dmsbench.models.spec import checkpoint_folder
    from dmsbench.training.retrieval import STARTS, Recipe, train
    from dmsbench.training.saving import weights_hash

    start = given.start or checkpoint_folder(STARTS[given.family])
    wanted = {
        "level": given.level,
        "family": given.family,
        "steps": given.steps,
        "pictures_per_step": given.pictures,
        "start": weights_hash(start),
    }
    found = train(Recipe(seed=given.seed, **_given(wanted)), start, given.out, _say)
    shares = ", ".join(f"{name} {share:.4f}" for name, share in found.items())
    _say(f"saved to {given.out}; validation recall at 1: {shares}")


def _given(wanted: dict[str, Any]) -> dict[str, Any]:
    """What the command line says; the rest is the recipe's."""
    return {name: value for name, value in wanted.items() if value is not None}


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
