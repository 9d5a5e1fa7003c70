"""Suite files: what is asked, of which models, under which corruptions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

import corruptions
from dmsbench.corruption_settings import (
    DEFAULT,
    Applied,
    CorruptionSettings,
    Protect,
    applied,
    check,
    differing,
)
from dmsbench.data.presets import PRESETS
from dmsbench.errors import SuiteError, UnknownNameError
from dmsbench.grid import CLEAN_NAME, Condition, View
from dmsbench.plugins import SCORES as FOREIGN_SCORES
from dmsbench.plugins import TASKS, offered
from dmsbench.safe_names import RULE, shown, why_unsafe
from dmsbench.score_names import SCORES
from dmsbench.size_limits import LARGEST_SEED, MOST_RECORDS
from dmsbench.suite_blocks import DatasetConfig, Grid, Joint, RetrievalConfig, Strict, hub_path
from dmsbench.suite_scores import scores_of, usual_score
from dmsbench.suite_yaml import Lines, read_yaml

__all__ = [
    "DatasetConfig",
    "Grid",
    "Joint",
    "RetrievalConfig",
    "Suite",
    "builtin_suites",
    "load_suite",
    "suite_folder",
]

Severity = Annotated[int, Field(ge=1, le=5)]


class Suite(Strict):
    """A suite: task, data, grid, models, seed. ``limit`` counts samples; None takes them all.

    ``models`` may be empty: the command line then has to name some.

    ``protect`` is what text corruptions spare; ``settings`` has what is different for single corruptions.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    task: str = "vqa"
    dataset: DatasetConfig
    #: Of the task retrieval alone, which always has it.
    retrieval: RetrievalConfig | None = None
    models: tuple[str, ...] = ("baseline", "dms")
    score: str
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)
    limit: int | None = Field(default=None, ge=1, le=MOST_RECORDS)
    severities: tuple[Severity, ...] = (1, 2, 3, 4, 5)
    profile: Literal["auto", "imagenet224", "tiny64", "calibrated"] = "auto"
    max_error_rate: float = Field(default=0.01, ge=0, le=1)
    grid: Grid
    #: Corruptions that are applied even to samples whose own answer they make wrong; by default those
    #: samples are left out: see ``truth``.
    include_false: tuple[str, ...] = ()
    protect: Protect = (DEFAULT,)
    settings: dict[str, CorruptionSettings] = Field(default_factory=dict)

    @field_validator("task")
    @classmethod
    def _a_known_task(cls, task: str) -> str:
        if task not in SCORES and task not in offered(TASKS):
            raise ValueError(str(UnknownNameError("task", task, (*SCORES, *offered(TASKS)))))
        return task

    @field_validator("name")
    @classmethod
    def _a_folder_can_have_it(cls, name: str) -> str:
        unsafe = why_unsafe(name)
        if unsafe is not None:
            raise ValueError(f"'{shown(name)}' cannot name a suite: {unsafe}; {RULE}")
        return name

    @model_validator(mode="after")
    def _includes_what_is_there_and_false(self) -> Suite:
        for name in self.include_false:
            if name not in self.corruption_names:
                if corruptions.is_known(name):
                    raise ValueError(f"include_false: '{name}' is not in the grid")
                raise ValueError(
                    f"include_false: {UnknownNameError('corruption', name, self.corruption_names)}"
                )
            if not corruptions.get(name).falsifies and name not in self.unprotected:
                raise ValueError(f"include_false: '{name}' makes nothing false: leave it out of the list")
        return self

    @field_validator("settings")
    @classmethod
    def _settings_fit(
        cls, settings: dict[str, CorruptionSettings], info: ValidationInfo
    ) -> dict[str, CorruptionSettings]:
        # Where one of the others is wrong, that is said first.
        if {"grid", "profile"} <= info.data.keys():
            check(settings, info.data["grid"].names, info.data["profile"])
        return settings

    @field_validator("score")
    @classmethod
    def _of_the_task(cls, score: str, info: ValidationInfo) -> str:
        known = scores_of(info.data.get("task", ""))
        if known and score not in (*known, *offered(FOREIGN_SCORES)):
            raise ValueError(str(UnknownNameError("score", score, (*known, *offered(FOREIGN_SCORES)))))
        return score

    @model_validator(mode="before")
    @classmethod
    def _score_of_the_task(cls, data: Any) -> Any:
        task = data.get("task", "vqa") if isinstance(data, dict) else None
        if not isinstance(task, str) or "score" in data or not scores_of(task):
            return data
        return data | {"score": usual_score(task, data.get("dataset"))}

    @model_validator(mode="before")
    @classmethod
    def _retrieval_by_default(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("task") != "retrieval":
            return data
        searched = {"retrieval": RetrievalConfig()} if data.get("retrieval") is None else {}
        # The usual two answer questions; these are the same two of what retrieves.
        models = {} if "models" in data else {"models": ("baseline=baseline-retrieval", "dms=dms-retrieval")}
        return data | searched | models

    @model_validator(mode="after")
    def _data_fit_the_task(self) -> Suite:
        if self.task != "retrieval" and self.retrieval is not None:
            raise ValueError(f"retrieval: belongs to the task retrieval, not to {self.task}")
        if self.task == "retrieval" and self.dataset.name == "easy_vqa":
            raise ValueError("dataset: easy_vqa has nothing to be searched; use scenes or local")
        preset = PRESETS.get(self.dataset.name)
        if preset is not None and self.task not in preset.scores:
            raise ValueError(
                f"dataset: {preset.name} is for {' and '.join(preset.scores)}, not for {self.task}"
            )
        if self.score == "attributes" and self.dataset.name not in ("easy_vqa", "scenes"):
            raise ValueError(
                "score: 'attributes' reads captions of scenes and easy_vqa; use cider_d, bleu4, rouge_l or "
                "chrf"
            )
        return self

    @field_validator("severities")
    @classmethod
    def _ascending(cls, severities: tuple[int, ...]) -> tuple[int, ...]:
        if not severities:
            raise ValueError("at least one severity")
        return tuple(sorted(set(severities)))

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Clean first, then every corruption at every severity, in the file's order, none twice."""
        found = [Condition()]
        for kind in ("image", "text", "modality"):
            for name in getattr(self.grid, kind):
                on_image = corruptions.get(name).target == "image"
                for severity in self.severities:
                    view = View(name, severity)
                    found.append(Condition(image=view) if on_image else Condition(text=view))
        for pair in self.grid.joint:
            found += [
                Condition(View(pair.image, s), View(pair.text, t))
                for s in self.severities
                for t in (self.severities if pair.severities == "crossed" else (s,))
            ]
        return tuple(dict.fromkeys(found))

    def changed(
        self,
        *,
        seed: int | None = None,
        limit: int | None = None,
        severities: Sequence[int] | None = None,
        only: Sequence[str] = (),
        models: Sequence[str] = (),
        dataset: DatasetConfig | None = None,
        include_false: Sequence[str] = (),
        score: str | None = None,
    ) -> Suite:
        """The suite with the command line's changes; ``only`` keeps those corruptions (by name).

        ``only=["clean"]`` keeps none of them: the clean condition alone. ``include_false`` adds to the
        suite's own, of which only those count that ``only`` keeps. A public data set brings its own score
        where none is named and the suite has its task's first.

        Raises SuiteError for a value out of range and UnknownNameError for a corruption that the suite
        does not hold.
        """
        data = self.model_dump(mode="python")
        for key, value in (
            ("seed", seed),
            ("limit", limit),
            ("severities", severities),
            ("score", score),
        ):
            if value is not None:
                data[key] = value
        if models:
            data["models"] = tuple(models)
        if dataset is not None:
            data["dataset"] = dataset.model_dump()
            plain = self.score in (SCORES[self.task][0], "attributes")
            if score is None and plain and dataset.name in PRESETS:
                data["score"] = usual_score(self.task, data["dataset"])
        if only:
            held = self.corruption_names
            for name in only:
                if name not in (*held, CLEAN_NAME):
                    if corruptions.is_known(name):
                        raise SuiteError(
                            f"suite '{self.name}' does not hold corruption '{name}': it has {', '.join(held)}"
                        )
                    raise UnknownNameError("corruption", name, held)
            for kind in ("image", "text", "modality"):
                data["grid"][kind] = tuple(name for name in data["grid"][kind] if name in only)
            data["grid"]["joint"] = tuple(
                pair for pair in data["grid"]["joint"] if {pair["image"], pair["text"]} <= set(only)
            )
            joint = {pair[kind] for pair in data["grid"]["joint"] for kind in ("image", "text")}
            for name in only:
                if name not in joint and not any(name in names for names in data["grid"].values()):
                    if name == CLEAN_NAME:
                        continue
                    raise SuiteError(
                        f"suite '{self.name}' holds '{name}' together with others only: name both of a pair"
                    )
            kept = {name for kind in ("image", "text", "modality") for name in data["grid"][kind]} | joint
            data["include_false"] = tuple(name for name in data["include_false"] if name in kept)
            data["settings"] = {name: own for name, own in data["settings"].items() if name in kept}
        data["include_false"] = tuple(dict.fromkeys([*data["include_false"], *include_false]))
        return _validated(data, f"suite '{self.name}'")

    @property
    def corruption_names(self) -> tuple[str, ...]:
        """Every corruption of the grid by name, joint ones included."""
        return self.grid.names

    @cached_property
    def applied(self) -> dict[str, Applied]:
        """How the views of each image and text corruption are made."""
        return {
            name: applied(name, self._own(name), self.profile, self.protect)
            for name in self.corruption_names
            if corruptions.get(name).kind != "modality"
        }

    @property
    def unprotected(self) -> frozenset[str]:
        """Text corruptions that may touch words which the default protection spares."""
        return frozenset(
            name
            for name, how in self.applied.items()
            if how.protect is not None and not how.protect >= corruptions.PROTECTED
        )

    def differing(self) -> dict[str, dict[str, Any]]:
        """By corruption, what decides its views beyond the suite's profile; nothing where all is default.

        Raises SuiteError, with the commands that install it, where a backend is missing.
        """
        found = {}
        for name, how in self.applied.items():
            try:
                settings = differing(self._own(name), how, self.profile, self.protect)
            except corruptions.MissingBackendError as error:
                raise SuiteError(f"suite '{self.name}': settings: {name}: {error}") from None
            if settings:
                found[name] = settings
        return found

    def _own(self, name: str) -> CorruptionSettings:
        return self.settings.get(name, CorruptionSettings())


def suite_folder() -> Path:
    """Where the suites that ship with dmsbench lie: in the package, or beside it in a checkout."""
    installed = Path(str(resources.files("dmsbench"))) / "suites"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "suites"


def builtin_suites() -> dict[str, Path]:
    """Suites that ship with dmsbench, by name."""
    return {path.stem: path for path in sorted(suite_folder().glob("*.yaml"))}


def load_suite(name_or_path: str) -> Suite:
    """A builtin suite by name, or any suite file by path.

    Raises UnknownNameError for a name that is neither, SuiteError for a file that cannot be used.
    """
    builtin = builtin_suites()
    if name_or_path in builtin:
        path = builtin[name_or_path]
    else:
        path = Path(name_or_path)
        if path.suffix not in (".yaml", ".yml") and not path.is_file():
            raise UnknownNameError("suite", name_or_path, builtin)
    data, lines = read_yaml(path)
    if not isinstance(data, dict):
        raise SuiteError(f"{path}: expected keys and values, such as 'name: my-suite'")
    for key in ("path", "images"):
        # Paths in a suite file are relative to it.
        if isinstance(data.get("dataset"), dict) and isinstance(data["dataset"].get(key), str):
            data["dataset"][key] = _beside(path, data["dataset"], key)
    for model in data["models"] if isinstance(data.get("models"), list) else ():
        # A file of somebody else's could send any variable of the environment anywhere.
        if isinstance(model, str) and "endpoint:" in model and ",key=" in model:
            raise SuiteError(
                f"{path}: models: a suite file may not name the key of an endpoint: give it by --model"
            )
    return _validated(data, str(path), lines)


def _beside(suite: Path, dataset: dict[str, Any], key: str) -> Path:
    """A path of a suite file, relative to it; of the hub only where it is a folder's."""
    text: str = dataset[key]
    if dataset.get("name") != "hub" and dataset.get("name") not in PRESETS:
        return suite.parent / text
    return hub_path(text, suite.parent)


def _validated(data: dict[str, Any], where: str, lines: Lines | None = None) -> Suite:
    lines = lines or Lines()
    try:
        return Suite.model_validate(data)
    except corruptions.UnknownCorruptionError as error:
        raise SuiteError(f"{where}: {lines.of_word(str(error.name))}grid: {error}") from None
    except ValidationError as error:
        location, complaint = _first_complaint(error)
        raise SuiteError(f"{where}: {lines.where(location)}{complaint}") from None


def _first_complaint(error: ValidationError) -> tuple[Sequence[str | int], str]:
    """Where the first fault is, and what it is."""
    first = error.errors()[0]
    location: Sequence[str | int] = first["loc"]
    key = ".".join(str(part) for part in location)
    if first["type"] == "extra_forbidden":
        return location, f"{key}: {UnknownNameError('key', str(location[-1]), _keys(location[:-1]))}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "tuple_type":
        message = "input should be a list"  # what a tuple is called in YAML
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    # What concerns several keys names the first of them itself.
    return location or (message.partition(":")[0],), (
        f"{key and f'{key}: '}{message[0].lower()}{message[1:]}{more}"
    )


def _keys(location: Iterable[int | str]) -> list[str]:
    parts = [part for part in location if isinstance(part, str)]
    if parts[:1] == ["settings"]:
        return list(CorruptionSettings.model_fields)
    known: dict[str, type[BaseModel]] = {
        "dataset": DatasetConfig,
        "retrieval": RetrievalConfig,
        "grid": Grid,
        "joint": Joint,
    }
    return list((known.get(parts[-1], Suite) if parts else Suite).model_fields)
