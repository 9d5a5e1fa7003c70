"""``dmsbench preview``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dmsbench.cli import completion
from dmsbench.cli.options import as_local, parse_severities
from dmsbench.errors import DmsbenchError


def preview(
    image: Annotated[
        Path | None, typer.Option("--image", help="A picture of yours; by default one of easy-VQA.")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="A text instead of a picture.")] = None,
    corruption: Annotated[
        list[str] | None,
        typer.Option(
            "--corruption",
            autocompletion=completion.corruption_names,
            help="Show this corruption. Repeatable.",
        ),
    ] = None,
    severity: Annotated[str, typer.Option("--severity", help="Severities, such as 1,3,5.")] = "1-5",
    backend: Annotated[
        str,
        typer.Option(
            "--backend",
            autocompletion=completion.backends,
            help="Who draws them: native, imagecorruptions or nlpaug.",
        ),
    ] = "native",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the corruptions.")] = 0,
    out: Annotated[
        Path, typer.Option("--out", help="The PNG to write.", parser=as_local, metavar="PATH")
    ] = Path("preview.png"),
) -> None:
    """Shows what corruptions do, on one contact sheet: corruptions by severities.

    Examples:

      dmsbench preview --image cat.jpg

      dmsbench preview --text "is there a red circle?" --corruption keyboard --corruption ocr

      dmsbench preview --image cat.jpg --backend imagecorruptions
    """
    import corruptions
    from dmsbench.data import easy_vqa
    from dmsbench.data.base import load_image
    from dmsbench.report.contact_sheet import image_sheet, text_sheet

    if image is not None and text is not None:
        raise DmsbenchError("--image and --text: one sheet shows one of them")
    kind: Literal["image", "text"] = "image" if text is None else "text"
    reference = corruptions.get_backend(backend)
    offered = corruptions.names(kind)
    if reference is not None:
        offered = tuple(name for name in offered if name in reference.offers)
        if not offered:
            raise DmsbenchError(f"--backend '{backend}' has nothing to show on one {kind}")
    names = tuple(corruption or offered)
    for name in names:
        if corruptions.get(name).kind != kind:
            raise DmsbenchError(
                f"corruption '{name}' is of kind {corruptions.get(name).kind}: nothing to show on one {kind}"
            )
    severities = parse_severities(severity)
    if text is not None:
        sheet = text_sheet(text, names, severities, seed=seed, unit="preview", backend=backend)
    else:
        pixels = load_image(image or easy_vqa.load("test").samples[0].image)
        sheet = image_sheet(pixels, names, severities, seed=seed, unit="preview", backend=backend)
    try:
        sheet.save(out, format="PNG")
    except OSError as error:
        raise DmsbenchError(f"{out}: cannot be written ({error.strerror or error})") from None
    typer.echo(f"{out}: {len(names)} corruptions at severities {', '.join(map(str, severities))}")
