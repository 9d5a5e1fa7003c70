"""``NAME[=SPEC]``: every form, and errors that help."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.errors import DmsbenchError, UnknownNameError
from dmsbench.models.spec import (
    BUILTIN,
    CHECKPOINTS,
    FIT_FILE,
    OPTIONS,
    OWN_SCHEDULERS,
    ModelSpec,
    parse,
)

EMBEDDED = "tiny-llava-easy-vqa"


@pytest.mark.parametrize(
    ("text", "name", "checkpoint", "options"),
    [
        ("baseline", "baseline", EMBEDDED, {"fusion": "static"}),
        ("dms", "dms", EMBEDDED, {"fusion": "dms"}),
        (EMBEDDED, EMBEDDED, EMBEDDED, {}),
        ("mine=dms", "mine", EMBEDDED, {"fusion": "dms"}),
        ("sharp=dms,alpha=30", "sharp", EMBEDDED, {"fusion": "dms", "alpha": "30"}),
        ("off=dms,fusion=static", "off", EMBEDDED, {"fusion": "static"}),
        ("llava-hf/llava-1.5-7b-hf", "llava-1.5-7b-hf", "llava-hf/llava-1.5-7b-hf", {}),
        ("m=llava-hf/llava-1.5-7b-hf", "m", "llava-hf/llava-1.5-7b-hf", {}),
        (
            "m=llava-hf/llava-1.5-7b-hf,fusion=dms,dtype=float16,attention=eager,revision=abc,max_new_tokens=4",
            "m",
            "llava-hf/llava-1.5-7b-hf",
            {
                "fusion": "dms",
                "dtype": "float16",
                "attention": "eager",
                "revision": "abc",
                "max_new_tokens": "4",
            },
        ),
        (
            "a/b,fusion=dms,alpha=1,beta=0.5,passes=2",
            "b",
            "a/b",
            {"fusion": "dms", "alpha": "1", "beta": "0.5", "passes": "2"},
        ),
    ],
)
def test_forms(text: str, name: str, checkpoint: str, options: dict[str, str]) -> None:
    spec = parse(text)
    assert (spec.name, spec.checkpoint, dict(spec.options)) == (name, checkpoint, options)


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my model").mkdir()
    (tmp_path / "a=b").mkdir()
    monkeypatch.chdir(tmp_path)
    assert parse(f"{tmp_path}/my model").checkpoint == f"{tmp_path}/my model"
    assert parse(f"{tmp_path}/my model/").name == "my model"
    assert parse("./my model,dtype=float16").name == "my model"
    assert parse("m=./a=b") == ModelSpec("m", "./a=b", parse("m=./a=b").options)
    assert parse(f"m={tmp_path},fusion=static").checkpoint == str(tmp_path)
    with pytest.raises(DmsbenchError, match="cannot name a model"):
        parse(".")
    with pytest.raises(DmsbenchError, match="unknown model"):
        parse("./not-there")
    with pytest.raises(DmsbenchError, match="unknown model"):
        parse(f"{tmp_path}/not-there")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("basline", "unknown model 'basline': did you mean 'baseline'?"),
        ("mine=baselin", "did you mean 'baseline'?"),
        ("tiny-lava-easy-vqa", f"did you mean '{EMBEDDED}'?"),
        ("dms,fusoin=static", "did you mean 'fusion'?"),
        ("dms,alhpa=3", "did you mean 'alpha'?"),
        ("dms,fusion=statc", "unknown fusion 'statc': did you mean 'static'?"),
        ("dms,dtype=float8", "unknown dtype 'float8': did you mean"),
        ("dms,attention=sdp", "unknown attention 'sdp': did you mean 'sdpa'?"),
        ("dms,dtype=int8", "unknown dtype"),
        ("dms,attention=flash_attn_2", "did you mean 'flash_attention_2'?"),
        ("image-onyl", "did you mean 'image-only'?"),
        ("dms,mixing=mix", "unknown mixing 'mix': did you mean 'mixture'?"),
        ("dms,schedular=x", "did you mean 'scheduler'?"),
        ("baseline,fusion=txt", "did you mean 'text'?"),
        ("baseline,fusion=permute", "did you mean 'permuted'?"),
        ("baseline,fusion=late,pooling=logits", "unknown pooling 'logits': did you mean 'logit'?"),
        ("baseline,fusion=late,points=corner", "unknown points 'corner': did you mean 'corners'?"),
    ],
)
def test_did_you_mean(text: str, words: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        parse(text)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dms,alpha", "option 'alpha' needs a value"),
        ("dms,alpha=", "option 'alpha' needs a value"),
        ("dms,alpha=much", "option 'alpha' needs a number, not 'much'"),
        ("dms,passes=2.5", "option 'passes' needs a number, not '2.5'"),
        ("dms,alpha=-1", "option 'alpha' must be at least 0"),
        ("dms,beta=nan", "option 'beta' must be at least 0"),
        ("dms,alpha=1,alpha=2", "option 'alpha' is given twice"),
        ("baseline,fusion=fixed,weight=0.2,weight=0.2", "option 'weight' is given twice"),
        ("dms,alpha=inf", "option 'alpha' must be at least 0 and finite"),
        ("dms,passes=1", "option 'passes' must be at least 2"),
        ("dms,max_new_tokens=0", "option 'max_new_tokens' must be at least 1"),
        ("dms,", "unknown option"),
        ("", "unknown model ''"),
        ("mine=", "unknown model"),
        ("mine=,fusion=dms", "unknown model ''"),
        (".x=dms", "cannot name a model"),
        ("baseline,fusion=fixed", "fusion=fixed needs weight="),
        ("baseline,fusion=fixed,weight=1.5", "option 'weight' must be at most 1"),
        ("baseline,fusion=fixed,weight=-1", "option 'weight' must be at least 0"),
        ("dms,weight=0.5", "option 'weight' needs fusion=fixed"),
        ("baseline,mixing=bias", "option 'mixing' needs fusion=dms"),
        ("baseline,fusion=fixed,weight=0.3,mixing=mixture", "use mixing=bias or mixing=scale"),
        ("baseline,fusion=fixed,weight=0.3,mixing=choice", "use mixing=bias or mixing=scale"),
        ("baseline,fusion=rule", "fusion=rule needs scheduler=DIR, a folder that dmsbench fit made"),
        ("baseline,fusion=permuted", "fusion=permuted needs scheduler=DIR"),
        ("baseline,fusion=mla,scheduler=.", "option 'scheduler' needs fusion=dms or late or rule"),
        ("dms,pooling=logit", "option 'pooling' needs fusion=late or mla or qmf or pdf"),
        ("baseline,fusion=tmc,pooling=logit", "option 'pooling' needs fusion=late"),
        ("baseline,fusion=constant,scheduler=.,points=all", "option 'points' needs fusion=late or mla"),
        ("baseline,fusion=rule,scheduler=.,alpha=3", "option 'alpha' needs fusion=dms"),
        ("baseline,fusion=pdf,scheduler=/not/there", "is no folder: dmsbench fit makes one"),
        ("dms,scheduler=/not/there", "is no folder: dmsbench fit makes one"),
        ("dms,scheduler=.,alpha=3", "option 'alpha' is the rule's, not a fitted scheduler's"),
        ("a:b=dms", "cannot name a model"),
    ],
)
def test_option_errors(text: str, words: str) -> None:
    with pytest.raises(DmsbenchError) as caught:
        parse(text)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_numbers_and_text_form() -> None:
    spec = parse("m=dms,beta=2,alpha=0.5,passes=3")
    assert (spec.number("alpha"), spec.number("beta"), spec.number("passes")) == (0.5, 2.0, 3)
    assert spec.number("max_new_tokens") is None
    assert spec.fusion == "dms" and parse("a/b").fusion == "static"
    assert parse(f"{spec.name}={spec}") == spec
    assert all(parse(name).checkpoint in CHECKPOINTS for name in BUILTIN)


def test_fixed_points() -> None:
    assert parse("image-only").point == (1.0, 0.0)
    assert parse("text-only").point == (0.0, 1.0)
    assert parse("x=baseline,fusion=fixed,weight=0.3").point == (0.3, 0.7)
    assert parse("baseline").point is None and parse("dms").point is None


pieces = st.sampled_from(
    [
        "=",
        ",",
        "/",
        ".",
        "~",
        "dms",
        "baseline",
        "alpha",
        "passes",
        "dtype",
        "1",
        "-1",
        "nan",
        "\0",
        "é",
        *OPTIONS,
    ]
)


@given(st.one_of(st.text(), st.lists(pieces, max_size=12).map("".join), st.just("x" * 5000)))
def test_parse_raises_nothing_but_dmsbench_errors(text: str) -> None:
    try:
        spec = parse(text)
    except DmsbenchError as error:
        assert str(error)
    else:
        assert spec.name and not set(spec.name) & set("/\\:=,")


def test_no_torch_is_imported() -> None:
    code = "import sys, dmsbench.models.spec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_options_of_the_scheduler_need_one() -> None:
    with pytest.raises(DmsbenchError, match="option 'alpha' needs fusion=dms"):
        parse("mine=tiny-llava-easy-vqa,alpha=3")
    with pytest.raises(DmsbenchError, match="option 'passes' needs fusion=dms"):
        parse("baseline,passes=4")
    assert parse("dms,alpha=3").name == "dms"
    assert parse("x=dms,alpha=3").number("alpha") == 3


def test_a_checkpoint_may_bring_its_scheduler(tmp_path: Path) -> None:
    bare, own = tmp_path / "bare", tmp_path / "own"
    (own / OWN_SCHEDULERS["vqa"]).mkdir(parents=True)
    bare.mkdir()
    (own / OWN_SCHEDULERS["vqa"] / FIT_FILE).write_text("{}")
    assert parse(f"{bare},fusion=dms").scheduler_for("vqa") is None
    assert parse(f"{own},fusion=dms").scheduler_for("captioning") is None
    assert parse(f"{own},fusion=dms").scheduler_for("vqa") == own / OWN_SCHEDULERS["vqa"]
    assert parse(f"{own},fusion=permuted").scheduler_for("vqa") == own / OWN_SCHEDULERS["vqa"]
    # What it does not belong to, and whoever asks for the rule, goes without.
    for options in ("fusion=static", "fusion=late", "fusion=dms,alpha=1", "fusion=dms,passes=4"):
        assert parse(f"{own},{options}").scheduler_for("vqa") is None
    assert parse(f"{own},fusion=dms,scheduler={bare}").scheduler_for("vqa") == bare
    with pytest.raises(DmsbenchError, match="fusion=rule needs scheduler=DIR"):
        parse(f"{bare},fusion=rule")


def test_a_builtins_own_options_may_be_given_anew() -> None:
    assert parse("dms,fusion=static").fusion == "static"
