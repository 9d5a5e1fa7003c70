"""Probes: rows alone or together, order of words, dropout that is nobody's luck, files that are whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dmsbench.errors import ModelError
from dmsbench.fusion.probe import CORNERS, REACH, Head, ProbeInput, Probes, text_signature

pytestmark = pytest.mark.usefixtures("one_thread")
WIDTH, OUTCOMES = 12, 5


def head(modality: int, seed: int = 0) -> Head:
    generator = torch.Generator().manual_seed(seed)
    made = Head.initial(WIDTH, OUTCOMES, reach=REACH[modality], width=8, hidden=16, generator=generator)
    return replace(made, output=torch.randn(made.output.shape, generator=generator))


def probes(**how: float) -> Probes:
    return Probes(head(0), head(1, seed=1), **how)  # type: ignore[arg-type]


def rows(count: int = 6, images: int = 3) -> ProbeInput:
    generator = torch.Generator().manual_seed(7)
    lengths = torch.tensor([2 + 3 * (row % 3) for row in range(count)])
    exists = torch.arange(int(lengths.max()))[None] < lengths[:, None]
    return ProbeInput(
        image=torch.randn(images, 4, WIDTH, generator=generator),
        picks=torch.arange(count) % images,
        text=torch.randn(count, exists.shape[1], WIDTH, generator=generator),
        exists=exists,
        question=torch.randn(count, WIDTH, generator=generator),
    )


def some(given: ProbeInput, which: list[int]) -> ProbeInput:
    width = int(given.exists[which].sum(dim=1).max())
    return ProbeInput(
        given.image[given.picks[which]],
        torch.arange(len(which)),
        given.text[which, :width],
        given.exists[which, :width],
        given.question[which],
    )


def test_a_row_is_the_same_alone_in_company_and_in_another_order() -> None:
    given, fitted = rows(), probes()
    together = fitted.read(given)
    for which in ([0], [2], [5, 3, 1, 0]):
        found = fitted.read(some(given, which))
        torch.testing.assert_close(found.probabilities, together.probabilities[which], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(found.uncertainty, together.uncertainty[which], atol=1e-5, rtol=1e-4)
    assert together.probabilities.shape == (6, 2, OUTCOMES) and together.uncertainty.shape == (6, 2)
    torch.testing.assert_close(together.probabilities.sum(dim=2), torch.ones(6, 2))


def test_what_stands_in_the_padding_does_not_count() -> None:
    given = rows()
    filled = replace(given, text=torch.where(given.exists[..., None], given.text, torch.tensor(9.0)))
    assert torch.equal(probes().read(given).probabilities, probes().read(filled).probabilities)


def test_words_bind_to_their_neighbours_and_image_tokens_do_not() -> None:
    given = rows(1, 1)
    moved = replace(given, text=given.text.flip(1), image=given.image.flip(1))
    before, after = probes().read(given).probabilities[0], probes().read(moved).probabilities[0]
    torch.testing.assert_close(before[0], after[0], atol=1e-6, rtol=1e-5)
    assert (before[1] - after[1]).abs().max() > 1e-3


def test_each_modality_and_the_question_decide() -> None:
    given = rows()
    base = probes().read(given).probabilities
    other_image = probes().read(replace(given, image=-given.image)).probabilities
    other_text = probes().read(replace(given, text=-given.text)).probabilities
    asked = probes().read(replace(given, question=given.question.flip(0))).probabilities
    assert torch.equal(other_image[:, 1], base[:, 1]) and torch.equal(other_text[:, 0], base[:, 0])
    for changed, modality in ((other_image, 0), (other_text, 1), (asked, 0), (asked, 1)):
        assert (changed[:, modality] - base[:, modality]).abs().max() > 1e-3


def test_dropout_depends_on_the_seed_alone() -> None:
    given = rows()
    torch.manual_seed(1)
    first = probes().read(given).uncertainty
    torch.manual_seed(2)
    assert torch.equal(first, probes().read(given).uncertainty)
    assert (first > 0).all() and (first <= 1).all()
    assert not torch.equal(first, probes(seed=5).read(given).uncertainty)
    assert len(probes(passes=7).masks()[0][0]) == 7
    with pytest.raises(ValueError, match="at least 2"):
        probes(passes=1)


def test_an_untrained_head_has_no_opinion_and_heat_flattens() -> None:
    generator = torch.Generator().manual_seed(0)
    blank = Head.initial(WIDTH, OUTCOMES, reach=1, width=8, hidden=4, generator=generator)
    z = torch.randn(3, 24, generator=generator)
    assert torch.equal(blank.logits(z), torch.zeros(3, OUTCOMES))
    told = head(0)
    z = told.features(rows().image, rows().question[:3])
    hot = replace(told, temperature=torch.tensor(2.0))
    torch.testing.assert_close(hot.logits(z), told.logits(z) / 2)


def test_layers_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="do not fit: key"):
        replace(head(0), key=torch.zeros(3, 3))
    with pytest.raises(ValueError, match="different outcomes"):
        Probes(head(0), replace(head(1), output=torch.zeros(16, 3), output_bias=torch.zeros(3)))


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "probes.safetensors"
    made = probes(passes=6, rate=0.3, seed=9)
    made.save(path)
    loaded = Probes.load(path)
    assert loaded.fingerprint == made.fingerprint and (loaded.passes, loaded.rate, loaded.seed) == (6, 0.3, 9)
    assert torch.equal(loaded.read(rows()).uncertainty, made.read(rows()).uncertainty)
    assert made.fingerprint not in {probes().fingerprint, replace(made, image=head(0, seed=3)).fingerprint}


@pytest.mark.parametrize("damage", ["missing", "cut", "key", "nan", "shape"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "probes.safetensors"
    probes().save(path)
    tensors = load_file(path)
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:200])
    else:
        if damage == "key":
            del tensors["text.near"]
        elif damage == "nan":
            tensors["image.key"][0, 0] = torch.nan
        else:
            tensors["image.key"] = tensors["image.key"][:3]
        save_file(tensors, path)
    with pytest.raises(ModelError) as caught:
        Probes.load(path)
    assert "\n" not in str(caught.value) and "probes" in str(caught.value)


def test_a_texts_signature_knows_the_order() -> None:
    tokens = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(0))
    exists = torch.tensor([[True, True, False]])
    one, two = (torch.nn.functional.layer_norm(each, (4,)) for each in tokens[0, :2])
    found = text_signature(tokens, exists)
    torch.testing.assert_close(found[0], torch.cat([(one + two) / 2, one * two.roll(1)]))
    swapped = text_signature(tokens[:, [1, 0, 2]], exists)
    torch.testing.assert_close(found[:, :4], swapped[:, :4])
    assert (found[:, 4:] - swapped[:, 4:]).abs().max() > 1e-2
    assert not text_signature(tokens[:, :1], exists[:, :1])[0, 4:].any()


def test_the_points_of_probes_are_the_corners() -> None:
    assert CORNERS.corners == (0, 1) and CORNERS.modalities == ("image", "text")
