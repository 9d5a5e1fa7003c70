"""Data sets of the hub: the public ones with their own features, pictures left where they lie, streams."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from public_sets import COLOURS, datasets, image, mirror, picture, text, vqav2, write
from small_hub import COMMIT, Server, small_hub

from dmsbench.data import Dataset, SampleError, hub_files, load_dataset
from dmsbench.data.arrow_rows import ArrowPicture
from dmsbench.data.hub_files import Source
from dmsbench.data.image_files import read_bytes
from dmsbench.data.presets import PRESETS
from dmsbench.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    return tmp_path / "cache"


def preset(name: str, folder: Path, task: str | None = None, **options: Any) -> Dataset:
    found = PRESETS[name]
    return load_dataset(name, found.split, folder, task=task or next(iter(found.scores)), **options)


def drawn(found: Dataset, group: str) -> Any:
    image = found.image_of(group)
    assert isinstance(image, ArrowPicture)
    return pickle.loads(pickle.dumps(image)).draw()  # noqa: S301


def test_vqa_v2_has_ten_answers_and_one_picture_an_image(tmp_path: Path) -> None:
    found = preset("vqav2", mirror("vqav2", tmp_path / "m"))
    assert len(found.samples) == 12 and sorted(found.groups) == ["100", "101", "102", "103"]
    sample = next(sample for sample in found.samples if sample.id == "100004")
    assert sample.question == "What color is the shape 4?"
    assert sample.answers == (COLOURS[4],) * 7 + (COLOURS[5],) * 3
    for group in found.groups:
        np.testing.assert_array_equal(drawn(found, group), read_bytes(picture(int(group) - 100), "x"))
    assert found.source == {
        "repository": "a folder", "split": "validation", "preset": "vqav2", "original": "visualqa.org"
    }  # fmt: skip
    assert "CC BY 4.0" in found.licence and len(pickle.dumps(sample.image)) < 600


def test_gqa_joins_questions_and_pictures_of_two_configurations(tmp_path: Path) -> None:
    folder = mirror("gqa", tmp_path / "m")
    found = preset("gqa", folder)
    assert sorted(found.groups) == ["n0", "n1", "n2"] and len(found.samples) == 6
    assert {sample.answers for sample in found.samples} == {("yes",), ("no",)}
    np.testing.assert_array_equal(drawn(found, "n2"), read_bytes(picture(2), "x"))


def test_textvqa_has_ten_answers(tmp_path: Path) -> None:
    found = preset("textvqa", mirror("textvqa", tmp_path / "m"))
    assert found.samples[0].answers == ("nokia",) * 9 + ("dakota",) and len(found.groups) == 3


def test_scienceqa_lists_options_and_leaves_out_what_has_no_picture(tmp_path: Path) -> None:
    found = {sample.id: sample for sample in preset("scienceqa", mirror("scienceqa", tmp_path / "m")).samples}
    assert len(found) == 3
    assert {sample.answers[0] for sample in found.values()} == {"A", "C", "B"}
    told = next(sample for sample in found.values() if sample.answers[0] == "C")
    assert told.question == "Which color is shape 2?\nA. red\nB. blue\nC. green"
    assert told.answers == ("C", "green", "C. green") and told.context == "The shape is drawn."
    assert next(s for s in found.values() if s.answers[0] == "A").context is None


@pytest.mark.parametrize("name", ["coco-captions", "flickr30k"])
def test_captions_are_told_and_searched(tmp_path: Path, name: str) -> None:
    folder = mirror(name, tmp_path / "m")
    captions = preset(name, folder)
    assert {len(sample.answers) for sample in captions.samples} == {2}
    # The mirror's question is another harness's prompt.
    assert {sample.question for sample in captions.samples} == {"Describe the image."}
    queries = preset(name, folder, "retrieval")
    assert len(queries.samples) == 4 * 3 and queries.groups == captions.groups
    with pytest.raises(DataError, match="is for captioning, retrieval, not for vqa"):
        preset(name, folder, "vqa")


def test_any_data_set_by_its_columns(tmp_path: Path) -> None:
    features = datasets.Features(
        pic=datasets.Image(), q=text(), gold=datasets.ClassLabel(names=["no", "yes"]),
        raw=datasets.Value("binary"),
    )  # fmt: skip
    rows = [{"pic": image(at), "q": f"is it {at}?", "gold": at % 2, "raw": picture(at)} for at in range(4)]
    folder = write(tmp_path / "m", {("data", "test"): (features, rows)})
    columns = {"image": "pic", "question": "q", "answers": "gold"}
    found = load_dataset("hub", "test", folder, columns=columns)
    assert {sample.answers for sample in found.samples} == {("yes",), ("no",)}
    raw = load_dataset("hub", "test", folder, columns={**columns, "image": "raw"})
    for one, other in zip(found.samples, raw.samples, strict=True):
        np.testing.assert_array_equal(one.image.draw(), other.image.draw())  # type: ignore[union-attr]


def test_rows_and_pictures_that_cannot_be_used_are_faults(tmp_path: Path, cache: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture(1))
    features = datasets.Features(
        image=datasets.Image(decode=False), question=text(), answers=text(), id=text()
    )
    rows = [
        {"id": "good", "image": image(0), "question": "q", "answers": "a"},
        {"id": "none", "image": None, "question": "q", "answers": "a"},
        {"id": "mute", "image": image(1), "question": " ", "answers": "a"},
        {"id": "open", "image": image(2), "question": "q", "answers": None},
        {"id": "good", "image": image(3), "question": "q", "answers": "a"},
        {"id": "junk", "image": {"bytes": b"junk", "path": None}, "question": "q", "answers": "a"},
    ]
    folder = write(tmp_path / "m", {("data", "test"): (features, rows)})
    samples = {sample.id: sample for sample in load_dataset("hub", "test", folder).samples}
    assert {name: sample.fault for name, sample in samples.items()} == {
        "good": None,
        "none": "line 2: no image",
        "mute": "line 3: empty question",
        "open": "line 4: no answers",
        "good#2": "line 5: id 'good' is used already on line 1",
        "junk": None,
    }
    with pytest.raises(SampleError, match="picture of row 6: not a readable image"):
        samples["junk"].image.draw()  # type: ignore[union-attr]
    # A row that names a file beside the data set reads nothing of it.
    table = datasets.table.InMemoryTable.from_pylist([{"image": {"bytes": None, "path": str(secret)}}])
    import pyarrow as pa

    path = tmp_path / "named.arrow"
    with path.open("wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table.table)
    origin = samples["good"].image.origin  # type: ignore[union-attr]
    with pytest.raises(SampleError, match="names a file outside of the data set"):
        ArrowPicture(origin, str(path), 0, 0).draw()


def test_of_a_folder_the_pictures_bytes_enter_the_fingerprint(tmp_path: Path) -> None:
    features, rows = vqav2()
    prints = []
    for at, change in enumerate((0, 50, 0)):
        changed = [row | {"image": image(change)} if row["image_id"] == 100 else row for row in rows]
        folder = write(tmp_path / str(at), {("data", "validation"): (features, changed)})
        prints.append(preset("vqav2", folder).fingerprint)
    assert prints[0] == prints[2] != prints[1]


def test_more_of_a_stream_contains_less_of_it(tmp_path: Path) -> None:
    folder = mirror("vqav2", tmp_path / "m")
    found = [
        [(sample.id, sample.group) for sample in preset("vqav2", folder, streaming=True, limit=limit).samples]
        for limit in (1, 4, 7, 50)
    ]
    assert [len(one) for one in found] == [1, 4, 7, 12]
    for less, more in pairwise(found):
        assert more[: len(less)] == less
    with pytest.raises(DataError, match="streaming needs a limit"):
        preset("vqav2", folder, streaming=True)
    # Rows without a picture do not count.
    science = preset("scienceqa", mirror("scienceqa", tmp_path / "s"), streaming=True, limit=2)
    assert len(science.samples) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"split": "validaton"}, "unknown split 'validaton': did you mean 'validation'?"),
        ({"config": "dta"}, "unknown config 'dta': did you mean 'data'?"),
        ({"columns": {"question": "qestion"}}, "unknown column 'qestion': did you mean 'question'?"),
        ({"path": Path("a/b/c")}, "'a/b/c' is no data set of the hub"),
        ({"path": Path("owner/../x")}, "is no data set of the hub"),
        ({"path": Path("/no/such/folder")}, "no such folder"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    folder = mirror("vqav2", tmp_path / "m")
    with pytest.raises(DataError) as caught:
        load_dataset("hub", **{"split": "validation", "path": folder, **options})
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_without_the_library_the_command_that_installs_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"not installed: pip install 'dmsbench\[hub\]'"):
        load_dataset("vqav2", "validation", tmp_path)


#: Loads what each line of its input asks for, and says what came of it.
CLIENT = """
import json, sys
from itertools import pairwise
from pathlib import Path
from dmsbench.data import load_dataset
from dmsbench.errors import DmsbenchError
for line in sys.stdin:
    asked = json.loads(line)
    if "path" in asked: asked["path"] = Path(asked["path"])
    try:
        found = load_dataset(**asked)
        shapes = {s.image.draw().shape for s in found.samples}
        said = {"ids": [s.id for s in found.samples], "fingerprint": found.fingerprint,
                "source": dict(found.source), "shapes": sorted(shapes)}
    except DmsbenchError as error:
        said = {"error": str(error)}
    print(json.dumps(said), flush=True)
"""

Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("hub")
    features, rows = vqav2(6)
    several = {
        ("a", "test"): (features, rows),
        ("b", "test"): (features, rows),
    }
    shards = write(base / "shards", {("data", "validation"): (features, rows)})
    for shard in (1, 2):
        data = datasets.Dataset.from_list(rows, features=features)
        data.to_parquet(shards / "data" / f"validation-0000{shard}-of-00003.parquet")
    script = base / "script"
    script.mkdir()
    (script / "script.py").write_text("raise SystemExit('it ran')")
    folders = {
        "lmms-lab/VQAv2": mirror("vqav2", base / "vqav2"),
        "lmms-lab/GQA": mirror("gqa", base / "gqa"),
        "some/several": write(base / "several", several),
        "some/shards": shards,
        "some/script": script,
    }
    with small_hub(folders, gated=("some/secret",)) as server:
        yield server


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Loads data sets one after the other in a process that knows this hub, with the test's own cache."""

    def call(server: Server, *asked: dict[str, Any], **environment: str) -> list[dict[str, Any]]:
        server.asked.clear()
        server.sent.clear()
        own = {name: value for name, value in os.environ.items() if not name.endswith("_OFFLINE")}
        own |= {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": server.address}
        done = subprocess.run(
            [sys.executable, "-c", CLIENT],
            input="".join(json.dumps(one) + "\n" for one in asked),
            env=own | environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=100,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    return call


VQA: dict[str, Any] = {"name": "vqav2", "split": "validation"}


def test_a_split_of_a_repository_is_fetched_once_and_read_offline(hub: Server, ask: Ask) -> None:
    online, again, joined = ask(hub, VQA, VQA, {"name": "gqa", "split": "testdev"})
    assert len(online["ids"]) == 12 and online == again
    assert online["source"]["commit"] == COMMIT and online["source"]["revision"] == "main"
    assert len(joined["ids"]) == 6 and joined["shapes"] == [[24, 24, 3]]
    fetched = [name for name in hub.asked if name.endswith(".parquet") and name.startswith("GET")]
    assert len(fetched) == 3 and not any("/test-" in name for name in fetched)
    for variable in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        here, missing = ask(hub, VQA, {"name": "textvqa", "split": "validation"}, **{variable: "1"})
        assert here == online and hub.asked == []
        assert "it is not in the cache: run once online" in missing["error"]
    (pinned,) = ask(hub, {**VQA, "revision": COMMIT})
    assert pinned["ids"] == online["ids"] and pinned["fingerprint"] == online["fingerprint"]


def test_a_stream_fetches_what_it_needs_and_keeps_it(hub: Server, ask: Ask) -> None:
    columns = {"id": "question_id", "group": "image_id"}
    stream = {
        "name": "hub",
        "path": "some/shards",
        "split": "validation",
        "columns": columns,
        "streaming": True,
    }
    (four,) = ask(hub, {**stream, "limit": 4})
    assert len(four["ids"]) == 4 and set(hub.sent) & set(PARQUET) == {PARQUET[0]}
    three, same, more = ask(
        hub, {**stream, "limit": 3}, {**stream, "limit": 4}, {**stream, "limit": 5}, HF_HUB_OFFLINE="1"
    )
    assert same == four and three["ids"] == four["ids"][:3] and hub.asked == []
    assert "run once online" in more["error"]
    (five,) = ask(hub, {**stream, "limit": 5})
    assert five["ids"][:4] == four["ids"] and five["source"]["commit"] == COMMIT


PARQUET = [f"data/validation-0000{at}-of-0000{1 if at == 0 else 3}.parquet" for at in range(3)]


def test_what_the_hub_refuses_is_told_in_one_line(hub: Server, ask: Ask) -> None:
    def of(path: str, **options: str) -> dict[str, Any]:
        return {"name": "hub", "path": path, "split": "test", **options}

    said = ask(
        hub,
        of("some/secret"),
        of("some/nothing"),
        of("some/several"),
        of("some/several", config="c"),
        of("some/several", config="a", split="tst"),
        of("some/several", config="a", revision="v9"),
        of("some/script"),
    )
    expected = [
        "accept its terms at huggingface.co/datasets/some/secret",
        "no such data set on the hub, or a private one",
        "it has several configurations: name one by dataset.config: a, b",
        "unknown config 'c': known: a, b",
        "unknown split 'tst': did you mean 'test'?",
        "no revision 'v9'",
        "a Python script, which is never run",
    ]
    for found, part in zip(said, expected, strict=True):
        assert part in found["error"] and "\n" not in found["error"]


def test_a_hub_that_is_gone_is_told_unless_the_data_are_here(
    hub: Server, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (online,) = ask(hub, VQA)

    def nobody(source: Source) -> None:
        raise ConnectionError(f"Couldn't reach '{source.path}' on the Hub (ConnectError)")

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "home" / "datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub_files, "_builder", nobody)
    assert [sample.id for sample in load_dataset(**VQA).samples] == online["ids"]
    with pytest.raises(DataError, match="the hub cannot be asked, and it is not in the cache"):
        load_dataset("textvqa", "validation")
