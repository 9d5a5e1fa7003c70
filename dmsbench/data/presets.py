"""Public data sets by name: where they lie, how their rows are read, and under which licence.

Repositories are mirrors in Parquet on the Hugging Face hub. Columns are those of their cards and of what
lmms-eval reads from them. No commit is named here, since none could be checked: the revision is ``main``, and
what it was when a run was made stands in the run's manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Of a preset whose revision nobody sets.
REVISION = "main"


@dataclass(frozen=True, slots=True)
class Preset:
    """A public data set. ``scores`` has its tasks, each with the score that is usual there."""

    name: str
    title: str
    repository: str
    split: str
    columns: Mapping[str, str]
    scores: Mapping[str, str]
    licence: str
    source: str
    config: str | None = None
    #: Pictures lie in another configuration of the same split: its name, and by which of its columns and by
    #: which of the questions' columns they are found.
    pictures: tuple[str, str, str] | None = None
    #: Rows without a picture are another task, and left out.
    only_with_picture: bool = False
    revision: str = field(default=REVISION)

    @property
    def description(self) -> str:
        """One line for a list."""
        return (
            f"{self.title}; split {self.split} of {self.repository}; {', '.join(self.scores)}; "
            f"licence: {self.licence}"
        )


_CAPTIONS = {"captioning": "cider_d", "retrieval": "recall_at_1"}
_COCO = "questions CC BY 4.0, pictures of COCO under Flickr's terms of use"

PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "vqav2",
            "VQA v2 (Goyal et al. 2017), ten answers a question",
            "lmms-lab/VQAv2",
            "validation",
            {"id": "question_id", "group": "image_id"},
            {"vqa": "vqa_v2_official"},
            _COCO,
            "visualqa.org",
        ),
        Preset(
            "gqa",
            "GQA (Hudson and Manning 2019), balanced test-dev",
            "lmms-lab/GQA",
            "testdev",
            {"group": "imageId", "answers": "answer"},
            {"vqa": "exact_match"},
            "questions CC BY 4.0, pictures of Visual Genome CC BY 4.0 and of Flickr under its terms of use",
            "cs.stanford.edu/people/dorarad/gqa",
            config="testdev_balanced_instructions",
            pictures=("testdev_balanced_images", "id", "imageId"),
        ),
        Preset(
            "textvqa",
            "TextVQA (Singh et al. 2019): writing in the picture, ten answers a question",
            "lmms-lab/textvqa",
            "validation",
            {"id": "question_id", "group": "image_id"},
            {"vqa": "vqa_v2_official"},
            "CC BY 4.0 (pictures of Open Images)",
            "textvqa.org",
        ),
        Preset(
            "scienceqa",
            "ScienceQA (Lu et al. 2022), questions with a picture; options, and a hint as context",
            "derek-thomas/ScienceQA",
            "test",
            {"choices": "choices", "answers": "answer", "context": "hint"},
            {"vqa": "exact_match_parsed"},
            "CC BY-SA 4.0 by the mirror's card; the authors' own release says CC BY-NC-SA 4.0",
            "scienceqa.github.io",
            only_with_picture=True,
        ),
        Preset(
            "coco-captions",
            "COCO Captions (Chen et al. 2015), 2017 validation, five captions a picture",
            "lmms-lab/COCO-Caption2017",
            "val",
            # The questions of this mirror are an instruction; captioning has its own.
            {"id": "question_id", "group": "question_id", "captions": "answer"},
            _CAPTIONS,
            "captions CC BY 4.0, pictures under Flickr's terms of use",
            "cocodataset.org",
        ),
        Preset(
            "flickr30k",
            "Flickr30k (Young et al. 2014), all pictures, five captions each",
            "lmms-lab/flickr30k",
            "test",
            {"id": "img_id", "group": "img_id", "captions": "caption"},
            _CAPTIONS,
            "captions for research, pictures under Flickr's terms of use: not for commercial use",
            "shannon.cs.illinois.edu/DenotationGraph",
        ),
    )
}
