"""``python -m dmsbench.training``: trains an embedded checkpoint from scratch."""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(prog="python -m dmsbench.training", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the checkpoint")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the initial weights and of the data order"
    )
    parser.add_argument("--tower-epochs", type=int, help="epochs of stage 1, the vision tower")
    parser.add_argument("--epochs", type=int, help="epochs of stage 2, the whole model")
    parser.add_argument("--threads", type=int, help="CPU threads (the default is torch's)")
    given = parser.parse_args()

    import torch

    from dmsbench.training.recipe import train
    from dmsbench.training.tiny_llava import Recipe

    if given.threads:
        torch.set_num_threads(given.threads)
    changes = {
        name: value
        for name, value in (("tower_epochs", given.tower_epochs), ("epochs", given.epochs))
        if value is not None
    }
    accuracy = train(Recipe(seed=given.seed, **changes), given.out, lambda line: print(line, flush=True))
    print(f"saved to {given.out}; validation accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main()
