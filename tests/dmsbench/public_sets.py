"""Small data sets with the features of the public ones, as folders and repositories of Parquet files."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pictures

datasets = pytest.importorskip("datasets")

COLOURS = ("red", "green", "blue", "black", "white", "yellow")


def picture(number: int, kind: str = "PNG", side: int = 24) -> bytes:
    """An encoded picture, another one for each number."""
    pixels = np.random.default_rng(number).integers(0, 255, (side, side, 3), dtype=np.uint8)
    held = io.BytesIO()
    Pictures.fromarray(pixels).save(held, kind)
    return held.getvalue()


def image(number: int) -> dict[str, Any]:
    return {"bytes": picture(number), "path": f"{number}.png"}


def write(folder: Path, parts: Mapping[tuple[str, str], tuple[Any, Sequence[Mapping[str, Any]]]]) -> Path:
    """A folder of Parquet files with a card: by configuration and split its features and rows."""
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    configs: dict[str, list[dict[str, str]]] = {}
    for (config, split), (features, rows) in parts.items():
        data = datasets.Dataset.from_list([dict(row) for row in rows], features=features)
        name = f"{config}/{split}-00000-of-00001.parquet"
        (folder / config).mkdir(exist_ok=True)
        data.to_parquet(folder / name)
        configs.setdefault(config, []).append({"split": split, "path": f"{config}/{split}-*"})
    card = {"configs": [{"config_name": name, "data_files": files} for name, files in configs.items()]}
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(card)}---\n")
    return folder


def text() -> Any:
    return datasets.Value("string")


def list_of(feature: Any) -> Any:
    return datasets.List(feature)


def vqav2(rows: int = 12) -> tuple[Any, list[dict[str, Any]]]:
    features = datasets.Features(
        question_type=text(),
        multiple_choice_answer=text(),
        answers=list_of(
            {"answer": text(), "answer_confidence": text(), "answer_id": datasets.Value("int64")}
        ),
        image_id=datasets.Value("int64"),
        answer_type=text(),
        question_id=datasets.Value("int64"),
        question=text(),
        image=datasets.Image(),
    )
    made = []
    for row in range(rows):
        said = [COLOURS[row % 6]] * 7 + [COLOURS[(row + 1) % 6]] * 3
        made.append(
            {
                "question_type": "what color",
                "multiple_choice_answer": said[0],
                "answers": [
                    {"answer": word, "answer_confidence": "yes", "answer_id": at + 1}
                    for at, word in enumerate(said)
                ],
                "image_id": 100 + row // 3,
                "answer_type": "other",
                "question_id": 100_000 + row,
                "question": f"What color is the shape {row}?",
                "image": image(row // 3),
            }
        )
    return features, made


def gqa_questions(rows: int = 6) -> tuple[Any, list[dict[str, Any]]]:
    features = datasets.Features(
        id=text(), imageId=text(), question=text(), answer=text(), fullAnswer=text(),
        isBalanced=datasets.Value("bool"), groups={"global": text(), "local": text()},
        entailed=text(), equivalent=text(),
        types={"structural": text(), "semantic": text(), "detailed": text()},
        annotations={"question": list_of({"objectId": text(), "value": text()})},
        semantic=list_of({"operation": text(), "argument": text(),
                          "dependencies": list_of(datasets.Value("int32"))}),
        semanticStr=text(),
    )  # fmt: skip
    return features, [
        {
            "id": f"2{row:05d}", "imageId": f"n{row // 2}", "question": f"Is the shape {row} red?",
            "answer": "yes" if row % 2 else "no", "fullAnswer": "Yes, it is.", "isBalanced": True,
            "groups": {"global": "color", "local": "x"}, "entailed": "", "equivalent": "",
            "types": {"structural": "verify", "semantic": "attr", "detailed": "x"},
            "annotations": {"question": [{"objectId": "1", "value": "2"}]},
            "semantic": [{"operation": "select", "argument": "x", "dependencies": [0]}], "semanticStr": "",
        }
        for row in range(rows)
    ]  # fmt: skip


def gqa_pictures(count: int = 3) -> tuple[Any, list[dict[str, Any]]]:
    features = datasets.Features(id=text(), image=datasets.Image())
    return features, [{"id": f"n{number}", "image": image(number)} for number in range(count)]


def textvqa(rows: int = 6) -> tuple[Any, list[dict[str, Any]]]:
    number = datasets.Value("int64")
    features = datasets.Features(
        image_id=text(), question_id=datasets.Value("int32"), question=text(),
        question_tokens=list_of(text()), image=datasets.Image(),
        image_width=number, image_height=number, flickr_original_url=text(), flickr_300k_url=text(),
        answers=list_of(text()), image_classes=list_of(text()), set_name=text(),
    )  # fmt: skip
    return features, [
        {
            "image_id": f"i{row // 2}", "question_id": 34_602 + row, "question": f"what is the brand {row}?",
            "question_tokens": ["what"], "image": image(row // 2), "image_width": 24, "image_height": 24,
            "flickr_original_url": "", "flickr_300k_url": "", "answers": ["nokia"] * 9 + ["dakota"],
            "image_classes": ["sign"], "set_name": "val",
        }
        for row in range(rows)
    ]  # fmt: skip


def scienceqa(rows: int = 6) -> tuple[Any, list[dict[str, Any]]]:
    words = ("hint", "task", "grade", "subject", "topic", "category", "skill", "lecture", "solution")
    features = datasets.Features(
        image=datasets.Image(), question=text(), choices=list_of(text()), answer=datasets.Value("int8"),
        **{word: text() for word in words},
    )  # fmt: skip
    return features, [
        {
            **dict.fromkeys(words, ""),
            "hint": "The shape is drawn." if row % 3 else "",
            "image": None if row % 2 else image(row),
            "question": f"Which color is shape {row}?",
            "choices": ["red", "blue", "green"],
            "answer": row % 3,
        }
        for row in range(rows)
    ]


def coco(rows: int = 4) -> tuple[Any, list[dict[str, Any]]]:
    number = datasets.Value("int64")
    features = datasets.Features(
        question_id=text(), image=datasets.Image(), question=text(), answer=list_of(text()), id=number,
        license=datasets.Value("int8"), file_name=text(), coco_url=text(), height=number, width=number,
        date_captured=text(),
    )  # fmt: skip
    return features, [
        {
            "question_id": f"{row:012d}.jpg", "image": image(row), "id": row, "license": 1,
            "question": "Please carefully observe the image and come up with a caption for the image.",
            "answer": [f"a {COLOURS[row % 6]} shape number {row}", f"one {COLOURS[row % 6]} thing {row}"],
            "file_name": f"{row:012d}.jpg", "coco_url": "", "height": 24, "width": 24, "date_captured": "",
        }
        for row in range(rows)
    ]  # fmt: skip


def flickr30k(rows: int = 4) -> tuple[Any, list[dict[str, Any]]]:
    features = datasets.Features(
        image=datasets.Image(), caption=list_of(text()), sentids=list_of(text()), img_id=text(),
        filename=text(),
    )  # fmt: skip
    return features, [
        {
            "image": image(row), "caption": [f"a {COLOURS[row]} dog runs {row}", f"dog number {row}"],
            "sentids": [str(2 * row), str(2 * row + 1)], "img_id": str(row), "filename": f"{row}.jpg",
        }
        for row in range(rows)
    ]  # fmt: skip


def mirror(name: str, folder: Path) -> Path:
    """The folder of a preset's repository, with its configurations and splits."""
    made: dict[tuple[str, str], tuple[Any, list[dict[str, Any]]]] = {
        "vqav2": {("data", "validation"): vqav2(), ("data", "test"): vqav2(3)},
        "gqa": {
            ("testdev_balanced_instructions", "testdev"): gqa_questions(),
            ("testdev_balanced_images", "testdev"): gqa_pictures(),
        },
        "textvqa": {("data", "validation"): textvqa()},
        "scienceqa": {("data", "test"): scienceqa()},
        "coco-captions": {("data", "val"): coco()},
        "flickr30k": {("data", "test"): flickr30k()},
    }[name]
    return write(folder, made)


def tar(path: Path, files: Mapping[str, bytes | str | dict[str, Any]]) -> Path:
    """A tar file of these files, in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, held in files.items():
            content = (
                held
                if isinstance(held, bytes)
                else held.encode()
                if isinstance(held, str)
                else json.dumps(held).encode()
            )
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
