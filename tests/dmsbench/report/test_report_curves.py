"""The curves: what is in the files, equal bytes for equal input, and layouts that hold their content."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import corruptions
from dmsbench.report import draw_curves
from dmsbench.report.curves import _figure, _layout, limits, settings
from dmsbench.scores import CorruptionScore, CurvePoint, Estimate, Scorecard

MakeCard = Callable[..., Scorecard]
LONG = "llava-hf/llava-1.5-7b-hf,fusion=dms,scheduler=/data/schedulers/a-very-long-name-indeed/learned-v3"


def joint(n: int) -> list[str]:
    images, texts = corruptions.names("image"), corruptions.names("text")
    return [*corruptions.names(), *(f"{image}+{text}" for image in images for text in texts)][:n]


def draw(cards: dict[str, Scorecard], folder: Path, **changes: Any) -> list[Path]:
    settings = {"title": "vqa-corrupt", "subtitle": "500 samples", "chance": 0.25, "folder": folder}
    return draw_curves(cards, **{**settings, **changes})


def texts(path: Path) -> list[str]:
    return ["".join(e.itertext()).strip() for e in ET.parse(path).iter() if e.tag.endswith("}text")]  # noqa: S314


def test_the_svg_says_what_it_shows(make_card: MakeCard, tmp_path: Path) -> None:
    names = ["jpeg_compression", "ocr", "gaussian_noise+keyboard"]
    cards = {name: make_card(names) for name in ("baseline", "_dms $x$ <b> & \x01 \\frac{", "字")}
    found = texts(draw(cards, tmp_path / "new")[1])
    expected = [*names, "severity (0 = clean)", "accuracy (%)", "vqa-corrupt", "500 samples", "baseline"]
    assert {*expected, "_dms $x$ <b> & \ufffd \\frac{", "字", "chance (25.0 %)", "95 % interval"} <= set(
        found
    )
    assert found.count("jpeg_compression") == 1


def test_without_chance_and_with_another_score(make_card: MakeCard, tmp_path: Path) -> None:
    found = texts(draw({"m": make_card()}, tmp_path, chance=None, score_name="CIDEr", subtitle="")[1])
    assert "CIDEr (%)" in found
    assert not any("chance" in text for text in found)


def test_equal_input_gives_equal_bytes(make_card: MakeCard, tmp_path: Path) -> None:
    cards = {name: make_card(["ocr", "contrast"]) for name in ("a", "b")}
    one, other = draw(cards, tmp_path / "1"), draw(cards, tmp_path / "2")
    assert [path.name for path in one] == ["curves.png", "curves.svg"]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]
    assert b"dc:date" not in one[1].read_bytes()
    assert len(list(one[0].parent.iterdir())) == 2


def test_png_has_150_dots_an_inch(make_card: MakeCard, tmp_path: Path) -> None:
    with Image.open(draw({"m": make_card()}, tmp_path)[0]) as picture:
        picture.load()
        assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)
        assert picture.size == (round(150 * _layout(1).width), picture.size[1])
        assert 600 < picture.size[1] < 900


def test_the_users_settings_are_neither_read_nor_changed(make_card: MakeCard, tmp_path: Path) -> None:
    import matplotlib

    plain = draw({"m": make_card()}, tmp_path / "1")
    with matplotlib.rc_context({"font.size": 31.0, "svg.fonttype": "path", "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        styled = draw({"m": make_card()}, tmp_path / "2")
        assert dict(matplotlib.rcParams) == before
    assert [path.read_bytes() for path in plain] == [path.read_bytes() for path in styled]


def boxes(figure: Any) -> Iterator[tuple[str, Any]]:
    """All text that is shown, and where."""
    renderer = figure.canvas.get_renderer()
    figure.draw(renderer)
    found = [*figure.texts, *figure.legends[0].get_texts()]
    for axes in figure.axes:
        found.append(axes.title if axes.title.get_text() else axes._left_title)
        for axis in (axes.xaxis, axes.yaxis):
            found += [tick.label1 for tick in axis._update_ticks()]  # those in view
    for text in found:
        if text.get_visible() and text.get_text():
            yield text.get_text(), text.get_window_extent(renderer)


@pytest.mark.parametrize(("n_panels", "n_models"), [(1, 1), (1, 6), (2, 2), (6, 5), (19, 2), (60, 6)])
def test_no_text_is_cut_off_or_overlaps(make_card: MakeCard, n_panels: int, n_models: int) -> None:
    names = joint(n_panels)
    assert len(names) == n_panels
    models = ["baseline", "dms", LONG, "image only", "text only", "oracle"][:n_models]
    cards = {model: make_card(names) for model in models}
    title = "A title that is long enough to need a second line in a narrow picture, W" + "W" * 80
    with settings():
        figure = _figure(cards, names, title, "subtitle " * 15, 0.25, "accuracy")
        found = list(boxes(figure))
        assert len(figure.axes) == n_panels
        page = figure.bbox
        for text, box in found:
            assert page.x0 <= box.x0 and box.x1 <= page.x1, text
            assert page.y0 <= box.y0 and box.y1 <= page.y1, text
        edges = np.array([box.extents for _, box in found])  # x0, y0, x1, y1
        apart = edges[:, None, 2:] <= edges[None, :, :2]
        overlap = ~(apart | apart.swapaxes(0, 1)).any(axis=2) & ~np.eye(len(found), dtype=bool)
        assert not overlap.any(), [(found[i][0], found[j][0]) for i, j in np.argwhere(overlap)]
        panels = [axes.get_position() for axes in figure.axes]
        assert all(0 < panel.x0 < panel.x1 < 1 and 0 < panel.y0 < panel.y1 < 1 for panel in panels)
        assert len({axes.get_ylim() for axes in figure.axes}) == 1


def test_lines_tell_models_apart_without_colour(make_card: MakeCard) -> None:
    cards = {str(i): make_card(["ocr"]) for i in range(6)}
    with settings():
        figure = _figure(cards, ["ocr"], "", "", None, "accuracy")
        lines = figure.axes[0].get_lines()
        assert len({line.get_marker() for line in lines}) == 6
        assert len({line.get_color() for line in lines}) == 6


def curve(make_card: MakeCard, points: list[tuple[int, Estimate]]) -> Scorecard:
    undefined = Estimate(*[float("nan")] * 3)
    part = CorruptionScore(
        "ocr", undefined, tuple(CurvePoint(*p) for p in points), undefined, undefined, undefined, None
    )
    return make_card(corruptions=(part,))


@pytest.mark.parametrize(
    ("shown", "chance", "expected"),
    [
        ([(0.97, 0.95, 0.99), (0.62, 0.58, 0.66)], None, (55, 100)),
        ([(0.97, 0.95, 0.99), (0.62, 0.58, 0.66)], 0.08, (5, 100)),
        ([(1.0, 1.0, 1.0)], None, (90, 100)),
        ([(0.0, 0.0, 0.0)], None, (0, 10)),
        ([(0.5, float("nan"), float("nan"))], None, (45, 55)),
    ],
)
def test_the_range_starts_just_under_what_is_shown(
    make_card: MakeCard, shown: list[tuple[float, float, float]], chance: float | None, expected: Any
) -> None:
    card = curve(make_card, [(i, Estimate(*values)) for i, values in enumerate(shown)])
    low, high = limits({"m": card}, chance)
    margin = (high - low) * 0.03 / 1.06
    assert (low + margin, high - margin) == pytest.approx(expected)


def test_gaps_and_single_points_are_drawn(make_card: MakeCard, tmp_path: Path) -> None:
    nan = float("nan")
    cards = {
        "no interval": curve(make_card, [(0, Estimate(0.9, nan, nan)), (3, Estimate(0.5, nan, nan))]),
        "one point": curve(make_card, [(5, Estimate(0.7, 0.6, 0.8))]),
        "nothing": curve(make_card, []),
        "other corruption": make_card(["contrast"]),
    }
    assert {"contrast", "ocr"} <= set(texts(draw(cards, tmp_path)[1]))


def test_nothing_to_draw(make_card: MakeCard, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        draw({"m": make_card(corruptions=())}, tmp_path)
    with pytest.raises(ValueError, match="nothing to draw"):
        draw({}, tmp_path)
