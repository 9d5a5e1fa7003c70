"""Checkpoints over several devices, in fewer bits, from the hub's cache: loaded as asked and known again."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_static import save_tiny_static

from dmsbench.errors import DmsbenchError, ModelError
from dmsbench.models import loading, placing, quantization
from dmsbench.models.base import Prompt
from dmsbench.models.cache import row_cache
from dmsbench.models.identity import hash_weights
from dmsbench.models.llava import LlavaModel
from dmsbench.models.load_options import LoadOptions
from dmsbench.models.placing import bring_home, memory_limits, to_device
from dmsbench.models.quantization import own_method
from dmsbench.models.retrieval_zoo import RetrievalZoo
from dmsbench.models.spec import ATTENTIONS, DEVICE_MAPS, HOW_LOADED, QUANTIZATIONS, parse
from dmsbench.models.static import StaticModel
from dmsbench.models.zoo import Zoo

pytestmark = pytest.mark.usefixtures("one_thread")
PROMPTS = [Prompt("What color is the circle?"), Prompt("no"), Prompt("Is there a red shape in the image?")]
SHA = "0123456789abcdef" * 2 + "01234567"


@pytest.fixture(scope="session")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_static(tmp_path_factory.mktemp("loading") / "gemma3", "gemma3")


def answers(model: Any, pictures: list[Any]) -> tuple[Any, ...]:
    found = model.answer(model.encode(pictures[:3]), [0, 1, 2], PROMPTS)
    return found.texts, found.confidence.tolist(), found.margin.tolist()


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(DmsbenchError) as caught:
        call()
    message = str(caught.value)
    assert message and "\n" not in message
    return message


# Over several devices


@pytest.mark.parametrize("memory", [None, "cpu:1MB"])
def test_a_spread_model_is_the_same_model(
    tiny_folder: Path, noise_pictures: list[Any], tmp_path: Path, memory: str | None
) -> None:
    whole = LlavaModel(tiny_folder)
    options = {} if memory is None else {"max_memory": memory, "offload_folder": str(tmp_path / "disk")}
    spread = LlavaModel(tiny_folder, device_map="auto", **options)
    offloaded = [name for name, tensor in spread.model.state_dict().items() if tensor.is_meta]
    assert bool(offloaded) is (memory is not None)
    assert spread.device == torch.device("cpu")
    # Same weights, same kind of device: records are shared.
    assert spread.settings() == whole.settings() and spread.weights_hash == whole.weights_hash
    assert answers(spread, noise_pictures) == answers(whole, noise_pictures)
    assert spread.loaded.origin()["parameters"] == whole.loaded.origin()["parameters"]
    assert set(spread.loaded.origin().get("placement", {})) == ({"cpu", "disk"} if memory else set())


def test_weights_act_on_a_model_that_lies_on_disk(tiny_folder: Path, noise_pictures: list[Any]) -> None:
    spec = f"m={tiny_folder},fusion=dms,alpha=3,beta=0"
    found = [
        answers(Zoo().load(parse(text)), noise_pictures)
        for text in (spec, f"{spec},device_map=sequential,max_memory=cpu:1MB")
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("spec", "memory"),
    [("tiny-llava-scenes,fusion=dms", "1MB"), ("tiny-blip2-scenes,fusion=dms", "300KB")],
)
def test_a_scheduler_reads_a_model_that_lies_on_disk(
    spec: str, memory: str, noise_pictures: list[Any], tmp_path: Path
) -> None:
    # With the outcomes of a closed set of answers, for which rows of the output layer are read.
    spread = f"{spec},device_map=auto,max_memory=cpu:{memory},offload_folder={tmp_path}"
    found = []
    for text in (spec, spread):
        model = Zoo(answer_space=("red", "blue", "yes", "no")).load(parse(text))
        found.append((*answers(model, noise_pictures), model.settings()))
    assert found[0] == found[1]


def test_encoders_of_retrieval_may_lie_on_disk_where_they_are_called_whole(
    noise_pictures: list[Any], tmp_path: Path
) -> None:
    how = f",device_map=auto,max_memory=cpu:300KB,offload_folder={tmp_path}"
    found = []
    for text in ("tiny-clip-scenes", f"tiny-clip-scenes{how}"):
        model = RetrievalZoo().load(parse(text))
        images = model.encode_images(noise_pictures[:2], ["a", "b"])
        texts = model.encode_texts(["a red circle", "blue"])
        found.append([each.embedding.tolist() for each in (*images, *texts)] + [model.settings()["weights"]])
    assert found[0] == found[1]
    message = refused(lambda: RetrievalZoo().load(parse(f"tiny-blip2-retrieval{how}")))
    assert message.endswith("give a larger max_memory, or quantization=")


def test_a_static_model_may_lie_on_disk(gemma: Path, noise_pictures: list[Any]) -> None:
    whole, spread = StaticModel(gemma), StaticModel(gemma, device_map="auto", max_memory="cpu:60KB")
    assert next(spread.model.parameters()).is_meta
    assert (spread.settings(), answers(spread, noise_pictures)) == (
        whole.settings(),
        answers(whole, noise_pictures),
    )


def test_without_accelerate_the_command_that_installs_it_is_said(
    gemma: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "find_spec", lambda _name: None)
    message = refused(lambda: StaticModel(gemma, device_map="auto"))
    assert message == "device_map=auto needs accelerate: pip install 'dmsbench[accelerate]'"


def test_a_map_and_a_device_by_its_number_contradict_each_other(gemma: Path) -> None:
    message = refused(lambda: StaticModel(gemma, device="cuda:1", device_map="auto"))
    assert "leave out --device cuda:1" in message
    for option in ("max_memory=cpu:1GB", "offload_folder=x"):
        assert "needs device_map=auto" in refused(lambda option=option: parse(f"m={gemma},{option}"))
    assert "needs device_map" in refused(lambda: StaticModel(gemma, max_memory="cpu:1GB"))


def test_memory_limits_are_read_as_accelerate_takes_them() -> None:
    from accelerate.utils import get_max_memory

    limits = memory_limits("0:20GiB+1:500MB+cpu:60GiB")
    assert limits == {0: "20GiB", 1: "500MB", "cpu": "60GiB"}
    assert get_max_memory({"cpu": limits["cpu"]}) == {"cpu": 60 * 2**30}


@given(st.text("01:+GMKiBcpum=", max_size=20))
def test_other_limits_are_refused_in_one_line(text: str) -> None:
    try:
        assert memory_limits(text)
    except ModelError as error:
        assert "DEVICE:SIZE" in str(error)


@pytest.fixture
def accelerators() -> Iterator[None]:
    """Several CUDA devices whose tensors have shapes and places, and no values."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        yield


class Elsewhere(torch.nn.Module):
    """A part whose output lies where the part does."""

    def forward(self, _given: Any) -> torch.Tensor:
        return torch.empty(2, 4, device="cuda:1")


class Parted(torch.nn.Module):
    """A model on two devices, as accelerate leaves it."""

    def __init__(self) -> None:
        super().__init__()
        self.language_model, self.lm_head = Elsewhere(), Elsewhere()
        self.hf_device_map = {"language_model": "cuda:0", "lm_head": "cuda:1"}


@pytest.mark.usefixtures("accelerators")
def test_parts_that_lie_elsewhere_hand_their_outputs_home() -> None:
    model = Parted()
    assert model.lm_head(None).device == torch.device("cuda:1")
    bring_home(model, torch.device("cuda:0"))
    assert model.lm_head(None).device == model.language_model(None).device == torch.device("cuda:0")
    assert placing.placement(model) == {"cuda:0": 1, "cuda:1": 1}
    assert placing.main_device(model, "cpu") == torch.device("cuda:0")
    one = Parted()
    one.hf_device_map = {"": "cuda:1"}
    bring_home(one, torch.device("cuda:1"))
    assert not one.lm_head._forward_hooks


def test_keys_of_a_layer_stay_on_its_device() -> None:
    prefix = [(torch.empty(2, 1, 3, 4, device=where),) * 2 for where in ("cpu", "meta")]
    cache: Any = row_cache(prefix, torch.tensor([1, 0, 1]), 5)
    cache.batch_select_indices(torch.tensor([0, 2]))
    assert [(layer.keys.device.type, len(layer.values)) for layer in cache.layers] == [
        ("cpu", 2),
        ("meta", 2),
    ]


# Attention


def test_where_weights_act_only_attention_with_a_bias_is_taken(tiny_folder: Path) -> None:
    for attention in ATTENTIONS[2:]:
        spec = f"m={tiny_folder},fusion=dms,attention={attention}"
        assert "takes no bias" in refused(lambda spec=spec: Zoo().load(parse(spec)))


def test_static_fusion_takes_any_attention_that_the_library_does(tiny_folder: Path) -> None:
    spec = parse(f"m={tiny_folder},attention=flash_attention_2")
    if find_spec("flash_attn") is None and find_spec("kernels") is None:
        message = refused(lambda: Zoo().load(spec))
        assert "FlashAttention2" in message and message.endswith("attention=sdpa needs nothing beside torch")
    model = Zoo().load(parse(f"m={tiny_folder},attention=flex_attention"))
    assert isinstance(model, StaticModel)
    assert model.settings()["attention"] == "flex_attention"
    assert model.model.config._attn_implementation == "flex_attention"


# Number formats


def test_dtype_auto_is_the_checkpoints_own(gemma: Path, tmp_path: Path, tiny_folder: Path) -> None:
    half = Path(shutil.copytree(gemma, tmp_path / "half"))
    StaticModel(gemma, dtype="bfloat16").model.save_pretrained(half)
    for folder, dtype in ((gemma, "float32"), (half, "bfloat16")):
        own = StaticModel(folder, dtype="auto")
        assert own.settings()["dtype"] == dtype
        assert own.settings() == StaticModel(folder, dtype=dtype).settings()
    assert LlavaModel(tiny_folder, dtype="auto").dtype == "float32"


def test_a_quantised_model_is_another_model_and_known_again(
    tiny_folder: Path, gemma: Path, noise_pictures: list[Any]
) -> None:
    pytest.importorskip("torchao")
    for family, folder in ((LlavaModel, tiny_folder), (StaticModel, gemma)):
        plain = family(folder)
        model, again = (family(folder, quantization="torchao-int8") for _ in range(2))
        assert any("Int8" in type(value).__name__ for value in model.model.state_dict().values())
        assert model.settings() == again.settings() and model.state_key == again.state_key
        assert model.settings()["quantization"]["method"] == "torchao-int8"
        assert model.loaded.hashes["weights"] != plain.loaded.hashes["weights"]
        assert model.loaded.hashes["config"] == plain.loaded.hashes["config"]
        assert answers(model, noise_pictures) == answers(again, noise_pictures)


class AskedError(Exception):
    """Ends a loading, with what the library was asked for."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """What ``from_pretrained`` is given to load a folder."""

    def loads(folder: Path, **options: Any) -> dict[str, Any]:
        kept: dict[str, Any] = {}

        class Model:
            @staticmethod
            def from_pretrained(_checkpoint: Any, **given: Any) -> Any:
                kept.update(given)
                raise AskedError

        monkeypatch.setattr(loading, "AutoModelForImageTextToText", Model)
        with pytest.raises(AskedError):
            StaticModel(folder, **options)
        return kept

    return loads


def test_quantising_is_asked_of_the_library_by_its_own_settings(
    gemma: Path, asked: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantization, "_version", lambda _package: "1.0")
    given = asked(gemma, quantization="bitsandbytes-8bit", dtype="float16")
    config = given["quantization_config"]
    assert (config.load_in_8bit, config.load_in_4bit) == (True, False)
    assert given["dtype"] == torch.float16
    # Straight to its place, since such weights may not be moved afterwards.
    assert given["device_map"] == {"": "cpu"}
    config = asked(gemma, quantization="quanto-int8")["quantization_config"]
    assert config.weights == "int8"
    assert "quantization_config" not in asked(gemma)


def quantised(gemma: Path, folder: Path, method: str, **settings: Any) -> Path:
    shutil.copytree(gemma, folder)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": method, **settings}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_what_is_quantised_already_is_loaded_as_it_is(
    gemma: Path, tmp_path: Path, asked: Callable[..., dict[str, Any]]
) -> None:
    folder = quantised(gemma, tmp_path / "awq", "awq", bits=4)
    given = asked(folder)
    assert given["dtype"] == "auto" and "quantization_config" not in given
    assert asked(folder, dtype="float16")["dtype"] == torch.float16
    message = refused(lambda: StaticModel(folder, quantization="torchao-int8"))
    assert "quantised already (awq)" in message
    assert own_method({"text_config": {"quantization_config": {"quant_method": "fp8"}}}) == "fp8"
    assert own_method({"quantization_config": {"load_in_8bit": True}}) == "bitsandbytes"
    assert own_method({"text_config": {}}) is None


@pytest.mark.parametrize("method", ["awq", "gptq", "compressed-tensors", "torchao"])
def test_a_library_that_is_missing_is_named_with_the_command_that_installs_it(
    gemma: Path, tmp_path: Path, method: str
) -> None:
    if find_spec({"awq": "gptqmodel", "gptq": "optimum"}.get(method, method.replace("-", "_"))):
        pytest.skip("it is not missing")
    message = refused(lambda: StaticModel(quantised(gemma, tmp_path / method, method, bits=4)))
    assert "pip install" in message


def test_methods_whose_library_is_missing_are_refused(gemma: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "_version", lambda _package: None)
    for method in QUANTIZATIONS:
        message = refused(lambda method=method: StaticModel(gemma, quantization=method))
        assert "pip install 'dmsbench[quantization]'" in message
    assert "did you mean 'quantization'" in refused(lambda: parse(f"m={gemma},quantisation=torchao-int8"))
    assert "did you mean 'torchao-int8'" in refused(lambda: parse(f"m={gemma},quantization=torchao_int8"))


def test_a_method_that_the_library_does_not_know_is_not_claimed(gemma: Path, tmp_path: Path) -> None:
    model = StaticModel(quantised(gemma, tmp_path / "odd", "nonsense"))
    assert "quantization" not in model.settings()


def test_all_parts_of_a_quantised_weight_are_hashed() -> None:
    from torch.testing._internal.two_tensor import TwoTensor

    def hashed(packed: float, scale: float) -> str:
        model = torch.nn.Module()
        parts = TwoTensor(torch.full((3,), packed), torch.full((3,), scale))
        model.register_buffer("weight", parts)
        return hash_weights(model)

    assert hashed(1, 2) == hashed(1, 2)
    assert len({hashed(1, 2), hashed(3, 2), hashed(1, 3)}) == 3


def test_a_weight_that_lies_nowhere_is_not_hashed() -> None:
    with pytest.raises(ModelError, match="'weight' was not loaded"):
        hash_weights(torch.nn.Linear(2, 2, bias=False, device="meta"))


def test_every_option_of_loading_has_a_field() -> None:
    assert set(HOW_LOADED) | {"device"} == set(LoadOptions.__dataclass_fields__)
    for option, value in {"dtype": "int8", "attention": "magic", "device_map": "everywhere"}.items():
        assert value in refused(lambda option=option, value=value: LoadOptions(**{option: value}))
    assert [LoadOptions(device_map=name).device_map for name in DEVICE_MAPS] == list(DEVICE_MAPS)


# Pictures on their way


def test_pictures_travel_pinned_to_cuda_and_stay_where_they_are_elsewhere() -> None:
    values = torch.rand(2, 3, 4, 4)
    assert to_device(values, torch.device("cpu"), torch.float32) is values
    half = to_device(values, torch.device("cpu"), torch.float16)
    assert half.dtype == torch.float16 and torch.equal(half, values.half())
    done: list[Any] = []

    class Sent:
        device = torch.device("cpu")

        def to(self, where: Any, **how: Any) -> Sent:
            done.append((where, how))
            return self

        def pin_memory(self) -> Sent:
            done.append("pinned")
            return self

    to_device(Sent(), torch.device("cuda:1"), torch.float16)  # type: ignore[arg-type]
    assert done == [(torch.float16, {}), "pinned", (torch.device("cuda:1"), {"non_blocking": True})]


# The hub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_folder: Path) -> Path:
    """A cache that holds one checkpoint's branch ``main`` and its tag ``v1``, and no network."""
    root = tmp_path / "hub"
    repository = root / "models--acme--tiny"
    (repository / "refs").mkdir(parents=True)
    for name in ("main", "v1"):
        (repository / "refs" / name).write_text(SHA)
    shutil.copytree(tiny_folder, repository / "snapshots" / SHA)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return root


@pytest.mark.parametrize("revision", [None, "main", "v1", SHA])
def test_a_checkpoint_is_loaded_from_the_cache_and_its_commit_is_known(
    hub: Path, tiny_folder: Path, revision: str | None
) -> None:
    model = LlavaModel("acme/tiny", revision=revision)
    assert model.loaded.commit == SHA == model.loaded.origin()["commit"]
    # What is in it decides, not where it came from: a new model card makes a new commit.
    assert model.settings() == LlavaModel(tiny_folder).settings()
    assert SHA not in json.dumps(model.settings())


def test_a_revision_or_checkpoint_that_is_not_there_is_said_in_one_line(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = refused(lambda: Zoo().load(parse("m=acme/tiny,revision=v2")))
    assert re.search(r"revision 'v2' .* not in the cache \(main, v1\), and HF_HUB_OFFLINE is set", message)
    assert message.endswith("hf download acme/tiny --revision v2")
    message = refused(lambda: Zoo().load(parse("m=acme/other")))
    assert "not in the cache" in message and message.endswith("hf download acme/other")


def test_all_files_are_read_of_one_commit_though_a_branch_moves(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    @cache
    def move() -> None:
        (hub / "models--acme--tiny" / "refs" / "main").write_text("f" * 40)

    stock = loading.may_run_code

    def moving(checkpoint: Any, revision: str) -> bool:
        move()
        seen.append(revision)
        return stock(checkpoint, revision)

    monkeypatch.setattr(loading, "may_run_code", moving)
    assert LlavaModel("acme/tiny").loaded.commit == SHA
    assert seen == [SHA]
