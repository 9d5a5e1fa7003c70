"""The blocks of a suite file: its data, its grid, what retrieval searches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

import corruptions
from dmsbench.data import DATASETS
from dmsbench.data.foreign_rows import FOREIGN_KEYS
from dmsbench.data.presets import PRESETS
from dmsbench.data.row_files import KEYS
from dmsbench.errors import UnknownNameError
from dmsbench.plugins import DATASETS as FOREIGN
from dmsbench.plugins import offered

#: Pictures of scenes at most: their questions are all made before a run begins.
MOST_SCENES = 1_000_000


class Strict(BaseModel):
    """Takes no key that it does not know, and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


#: Data sets that are read with ``columns``, and what may be named there.
_COLUMNS = {"local": KEYS, "webdataset": FOREIGN_KEYS, "hub": FOREIGN_KEYS}


class DatasetConfig(Strict):
    """A data set by name, with what says which part of it is meant and how it is read.

    ``easy_vqa`` or ``scenes`` with a split; ``local`` with a ``path`` and, if wanted, ``images``;
    ``webdataset`` with a ``path``; ``hub`` with a ``path``, ``owner/name`` or a folder; or a public one by
    its own name, which brings split and columns. ``columns`` says what the data call the keys of a row,
    ``allow_outside`` lets local data name images that lie outside of their folder. ``config`` and
    ``revision`` are the hub's, ``streaming`` fetches no more than the suite's limit. Scenes have a ``level``
    of difficulty, by default 1, and a ``count`` of pictures.
    """

    name: str
    split: str = "test"
    path: Path | None = None
    images: Path | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    allow_outside: bool = False
    level: Annotated[int, Field(ge=1, le=3)] | None = None
    count: Annotated[int, Field(ge=1, le=MOST_SCENES)] | None = None
    config: str | None = None
    revision: str | None = None
    streaming: bool = False
    #: Of a data set that another package offers, which reads and checks them.
    options: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def is_public(self) -> bool:
        """Whether it is read by the library of the hub."""
        return self.name == "hub" or self.name in PRESETS

    @model_validator(mode="before")
    @classmethod
    def _split_of_a_preset(cls, data: Any) -> Any:
        preset = PRESETS.get(data["name"]) if isinstance(data, dict) and _named(data) else None
        return {"split": preset.split} | data if preset else data

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in DATASETS and name not in offered(FOREIGN):
            raise ValueError(str(UnknownNameError("data set", name, (*DATASETS, *offered(FOREIGN)))))
        return name

    @property
    def foreign(self) -> bool:
        """Whether another package offers the data set; own ones are never replaced."""
        return self.name not in DATASETS

    @model_validator(mode="after")
    def _options_belong_to_packages(self) -> DatasetConfig:
        if self.options and not self.foreign:
            raise ValueError("'options' belongs to data sets of other packages")
        return self

    @model_validator(mode="after")
    def _path_where_one_belongs(self) -> DatasetConfig:
        if self.name == "local" and self.path is None:
            raise ValueError("'path' belongs to the local data set, and the local data set needs one")
        if self.name in ("hub", "webdataset") and self.path is None:
            raise ValueError(f"{self.name} needs a 'path'")
        if self.name in ("easy_vqa", "scenes") and self.path is not None:
            raise ValueError("'path' belongs to the local data set, and the local data set needs one")
        if self.name != "local" and not self.foreign and self.images is not None:
            raise ValueError("'images' belongs to the local data set")
        if self.name != "local" and self.allow_outside:
            raise ValueError("'allow_outside' belongs to the local data set")
        return self

    @model_validator(mode="after")
    def _columns_that_are_read(self) -> DatasetConfig:
        known = FOREIGN_KEYS if self.name in PRESETS else _COLUMNS.get(self.name)
        if known is None and self.columns:
            raise ValueError("'columns' belongs to the local data set, to hub and to webdataset")
        for key in self.columns:
            if key not in (known or ()):
                raise ValueError(f"columns: {UnknownNameError('key of a row', key, known or ())}")
        return self

    @model_validator(mode="after")
    def _of_the_hub(self) -> DatasetConfig:
        for key in ("config", "revision", "streaming"):
            if not self.is_public and getattr(self, key):
                raise ValueError(f"'{key}' belongs to data sets of the hub")
        if self.name in PRESETS and self.config is not None:
            raise ValueError(f"'{self.name}' has its config; another one is read by the data set hub")
        if self.is_public and "[" in self.split:
            raise ValueError("'split' takes a whole split: the suite's limit takes a part")
        return self

    @model_validator(mode="after")
    def _scenes_have_a_level(self) -> DatasetConfig:
        for key in ("level", "count"):
            if self.name != "scenes" and getattr(self, key) is not None:
                raise ValueError(f"'{key}' belongs to the data set scenes")
        return self


def hub_path(text: str, folder: Path) -> Path:
    """``owner/name`` as it is, and a folder, which begins with a point or a slash, as an absolute path."""
    if text.startswith(".") or Path(text).is_absolute():
        return (folder / text).absolute()
    return Path(text)


def _named(data: dict[Any, Any]) -> bool:
    return isinstance(data.get("name"), str)


#: Which side of a search is corrupted.
Side = Literal["query", "gallery", "both"]


class RetrievalConfig(Strict):
    """What is searched with what, and which side of it is corrupted; a direction that is None is not asked.

    ``image_to_text``: items are the queries, texts the gallery. ``text_to_image``: the other way round. Image
    corruptions act on items' pictures, text corruptions on items' titles and on the texts, on the side that
    is corrupted.
    """

    image_to_text: Side | None = "query"
    text_to_image: Side | None = "gallery"

    @model_validator(mode="after")
    def _asks_something(self) -> RetrievalConfig:
        if self.image_to_text is None and self.text_to_image is None:
            raise ValueError("at least one direction: image_to_text or text_to_image")
        return self

    def side(self, direction: str) -> Side | None:
        """The side that is corrupted in a direction, None where it is not asked."""
        found: Side | None = getattr(self, direction)
        return found


class Joint(Strict):
    """An image and a text corruption together: at equal severities, or ``crossed``, each with each."""

    image: str
    text: str
    severities: Literal["equal", "crossed"] = "equal"


class Grid(Strict):
    """Corruption names by kind; each is applied at every severity of the suite, one at a time."""

    image: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    modality: tuple[str, ...] = ()
    joint: tuple[Joint, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> Grid:
        for kind in ("image", "text", "modality"):
            for name in getattr(self, kind):
                _check(name, kind)
        for pair in self.joint:
            _check(pair.image, "image", target=True)
            _check(pair.text, "text", target=True)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Every corruption by name, joint ones included, none twice."""
        joint = [name for pair in self.joint for name in (pair.image, pair.text)]
        return tuple(dict.fromkeys([*self.image, *self.text, *self.modality, *joint]))


def _check(name: str, kind: str, *, target: bool = False) -> None:
    entry = corruptions.get(name)
    if (entry.target if target else entry.kind) != kind:
        raise ValueError(f"'{name}' is a corruption of kind {entry.kind}, listed under {kind}")
