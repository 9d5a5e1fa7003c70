"""WebDataset shards: what a sample is, what a fault is, and that no name leads anywhere."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dmsbench.data import Dataset, SampleError, load_dataset
from dmsbench.data import webdataset as shards
from dmsbench.data.base import Sample
from dmsbench.errors import DataError


def picture(number: int, kind: str = "PNG") -> bytes:
    held = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (20, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(held, kind)
    return held.getvalue()


def tar(path: Path, *files: tuple[str, bytes | str]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, held in files:
            content = held if isinstance(held, bytes) else held.encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def load(pattern: Path | str, task: str = "vqa", **options: Any) -> Dataset:
    return load_dataset("webdataset", path=Path(pattern), task=task, **options)


def by_id(found: Dataset) -> dict[str, Sample]:
    return {sample.id: sample for sample in found.samples}


QUESTION = '{"question": "what?", "answers": ["red"]}'


def test_samples_of_several_shards_with_their_pictures(tmp_path: Path) -> None:
    for shard in range(3):
        tar(
            tmp_path / f"set-{shard:03d}.tar",
            *[
                entry
                for at in range(2)
                for entry in ((f"{shard}{at}.png", picture(10 * shard + at)), (f"{shard}{at}.json", QUESTION))
            ],
        )
    found = load(tmp_path / "set-{000..002}.tar")
    assert set(by_id(found)) == {"00", "01", "10", "11", "20", "21"}
    assert not any(sample.fault for sample in found.samples)
    for sample in found.samples:
        number = 10 * int(sample.id[0]) + int(sample.id[1])
        expected = np.asarray(Image.open(io.BytesIO(picture(number))))
        again = pickle.loads(pickle.dumps(sample.image))  # noqa: S301
        assert isinstance(again, shards.TarPicture) and len(pickle.dumps(again)) < 400
        np.testing.assert_array_equal(again.draw(), expected)
    assert len(load(tmp_path / "set-{000,002}.tar").samples) == 4


def test_a_text_is_a_caption_and_retrieval_reads_it_too(tmp_path: Path) -> None:
    tar(
        tmp_path / "c.tar",
        ("a.jpg", picture(1, "JPEG")), ("a.txt", "a red dog\n"),
        ("b.webp", picture(2, "WEBP")), ("b.json", '{"captions": ["one cat", "a cat"]}'),
    )  # fmt: skip
    captions = by_id(load(tmp_path / "c.tar", "captioning"))
    assert captions["a"].answers == ("a red dog",) and captions["b"].answers == ("one cat", "a cat")
    queries = load(tmp_path / "c.tar", "retrieval")
    assert len(queries.samples) == 2 + 3


def test_what_is_wrong_with_a_sample_is_its_own_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "MOST_TEXT", 200)
    tar(
        tmp_path / "bad.tar",
        ("good.png", picture(1)), ("good.json", QUESTION),
        ("alone.png", picture(2)),
        ("nopic.json", QUESTION),
        ("broken.png", picture(3)), ("broken.json", "{"),
        ("list.png", picture(3)), ("list.json", "[1]"),
        ("latin.png", picture(3)), ("latin.json", b'{"question": "\xff"}'),
        ("twice.png", picture(3)), ("twice.jpg", picture(3, "JPEG")), ("twice.json", QUESTION),
        ("long.png", picture(3)), ("long.json", '{"question": "' + "x" * 300 + '"}'),
        ("junk.png", b"no picture"), ("junk.json", QUESTION),
        ("readme.md", "not read"),
    )  # fmt: skip
    found = load(tmp_path / "bad.tar")
    faults = sorted(sample.fault.partition(": ")[2] for sample in found.samples if sample.fault)
    assert faults == sorted(
        [
            "no question",
            "no image",
            "broken: not valid JSON (Expecting property name enclosed in double quotes)",
            "list: .json is no object",
            "latin: not UTF-8 text",
            "twice: two files .of a picture",
            "long: .json has 316 bytes, more than 200",
        ]
    )
    assert by_id(found)["good"].fault is None
    with pytest.raises(SampleError, match=r"junk.png: not a readable image"):
        by_id(found)["junk"].image.draw()  # type: ignore[union-attr]


def test_hostile_names_and_members_lead_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(picture(9))
    path = tmp_path / "hostile.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind, target in (
            ("link.png", tarfile.SYMTYPE, str(outside)),
            ("hard.png", tarfile.LNKTYPE, str(outside)),
            ("pipe.png", tarfile.FIFOTYPE, ""),
            ("folder.png", tarfile.DIRTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
        for name in ("../../up", "/root/of", "a\nb", "\x1b[2J"):
            for ending, content in (("png", picture(1)), ("json", QUESTION.encode())):
                member = tarfile.TarInfo(f"{name}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    before = sorted(tmp_path.rglob("*"))
    found = load(path)
    assert len(found.samples) == 4 and not any(sample.fault for sample in found.samples)
    for sample in found.samples:
        sample.image.draw()  # type: ignore[union-attr]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_picture_that_is_cut_off_later_is_an_error_of_its_own(tmp_path: Path) -> None:
    path = tar(tmp_path / "cut.tar", ("a.json", QUESTION), ("a.png", picture(1)))
    (sample,) = load(path).samples
    content = path.read_bytes()
    path.write_bytes(content[:2000])
    with pytest.raises(SampleError, match="ends within it"):
        sample.image.draw()  # type: ignore[union-attr]


def test_the_fingerprint_covers_the_pictures(tmp_path: Path) -> None:
    prints = [
        load(tar(tmp_path / "p.tar", ("a.png", picture(number)), ("a.json", QUESTION))).fingerprint
        for number in (1, 2, 1)
    ]
    assert prints[0] == prints[2] != prints[1]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("none.tar", "no such tar file"),
        ("{3..1}.tar", "should count up"),
        ("{0..999999999}.tar", "should count up"),
        ("{0..9999}{0..9999}.tar", "names 100,000,000 files"),
        ("x\0.tar", "no such tar file"),
    ],
)
def test_a_pattern_that_names_no_files_stops_the_load(tmp_path: Path, pattern: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        load(f"{tmp_path}/{pattern}")


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100])
def test_what_is_no_tar_file_stops_the_load(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(DataError, match=r"not a readable tar file|no samples"):
        load(tmp_path / "x.tar")


def test_a_compressed_tar_file_is_told_to_be_unpacked(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w:gz"):
        pass
    with pytest.raises(DataError, match="have to be unpacked"):
        load(tmp_path / "x.tar")
