"""Idefics3 and SmolVLM checkpoints: a picture and its tiles are one image prefix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import Idefics3ForConditionalGeneration, SmolVLMForConditionalGeneration

from dmsbench.errors import ModelError
from dmsbench.fusion.attention_bias import check_attention
from dmsbench.models.adapter import stop_tokens
from dmsbench.models.base import Image, Prompt
from dmsbench.models.placing import to_device
from dmsbench.models.prefixed import PrefixAdapter, PrefixState
from dmsbench.models.prompts import PromptFormat

#: The text models whose positions and masks are known to be driven as stock does it.
TEXT_MODELS = ("llama",)
IMAGE, AROUND, GLOBAL = "<image>", "<fake_token_around_image>", "<global-img>"


class Idefics3Format(PromptFormat):
    """Tokens as the stock processor makes them: markers tell the tiles of a picture apart.

    A picture that is not split is ``AROUND GLOBAL IMAGE… AROUND``; of one in r rows and c columns the
    tiles come first, ``AROUND <row_i_col_j> IMAGE…``, each row with a line break, then a break and the whole
    picture as before.
    """

    def __init__(self, tokenizer: Any, chat_template: Callable[..., str]) -> None:
        def with_markers(turns: list[Any], **options: Any) -> str:
            return chat_template(turns, **options).replace(IMAGE, f"{AROUND}{GLOBAL}{IMAGE}{AROUND}")

        super().__init__(tokenizer, IMAGE, with_markers)
        self._prefixes: dict[tuple[int, int, int], tuple[tuple[int, ...], int]] = {}

    def text(self, prompt: Prompt) -> str:
        """The whole prompt as the stock processor takes it: it writes the markers itself."""
        return super().text(prompt).replace(f"{AROUND}{GLOBAL}{IMAGE}{AROUND}", IMAGE)

    def prefix(self, rows: int, columns: int, tokens: int) -> tuple[tuple[int, ...], int]:
        """The tokens up to the last of the image, and where the image's markers begin.

        ``rows`` and ``columns`` of tiles, both 0 for a picture that is not split; ``tokens`` a tile.
        """
        key = (rows, columns, tokens)
        if key not in self._prefixes:
            tiles = "".join(
                "".join(f"{AROUND}<row_{r}_col_{c}>{IMAGE * tokens}" for c in range(1, columns + 1)) + "\n"
                for r in range(1, rows + 1)
            )
            opening = self.before[: self.before.index(AROUND)]
            image = f"{tiles}\n" if tiles else ""
            ids = self._encoded(f"{opening}{image}{AROUND}{GLOBAL}{IMAGE * tokens}{AROUND}")["input_ids"]
            ids = ids[: len(ids) - ids[::-1].index(self.image_id)]
            first = ids.index(self.tokenizer.convert_tokens_to_ids(AROUND))
            self._prefixes[key] = tuple(map(int, ids)), first
        return self._prefixes[key]


class Idefics3Model(PrefixAdapter):
    """An ``Idefics3ForConditionalGeneration``; static fusion unless given weights.

    The image modality is everything from the image's first marker to its last image token: a marker behind
    a tile has read that tile. Positions count the image's tokens, so that a picture in another number of
    tiles moves the text; nothing of its content does. Pictures of one call may be split differently.

    Raises ModelError for a checkpoint that does not load, is of another type, or has a text model other
    than ``TEXT_MODELS``.
    """

    family, family_name = "idefics3", "Idefics3"
    model_class: Any = Idefics3ForConditionalGeneration
    processor_class = None

    format: Idefics3Format

    def _take_parts(self) -> None:
        self.language_model = self.model.model.text_model
        kind = self.language_model.config.model_type
        if kind not in TEXT_MODELS:
            raise ModelError(
                f"{self.family_name} checkpoint '{self.checkpoint}' has the text model '{kind}': supported "
                f"is {', '.join(TEXT_MODELS)}"
            )
        check_attention(self.language_model)
        self.head, self.embedding = self.model.lm_head, self.model.get_input_embeddings()
        self.format = Idefics3Format(self.processor.tokenizer, self.processor.apply_chat_template)
        self.stops = stop_tokens(self.model)
        self.tokens_a_tile = int(self.model.model.image_seq_len)
        prefix = "-".join(map(str, self.format.prefix_ids))
        self.state_key = f"{self._identity}:{prefix}"

    def length(self, prompt: Prompt) -> int:
        """Tokens after the image.

        Raises SampleError for a prompt that the model's positions cannot hold even behind a picture that is
        not split; how many tokens a picture has is known in ``prefill`` only.
        """
        length = len(self.format.suffix(prompt).ids)
        self._check_positions(length + len(self.format.prefix(0, 0, self.tokens_a_tile)[0]))
        return length

    @torch.inference_mode()
    def encode(self, images: Sequence[Image]) -> PrefixState:
        """Runs vision tower, connector and prefix once for N images (uint8, H×W×3)."""
        # Said outright: a picture one or three pixels high would be taken for channels first.
        made = self.processor.image_processor(
            images=[[image] for image in images],
            return_tensors="pt",
            input_data_format="channels_last",
            return_row_col_info=True,
        )
        prefixes = [
            self.format.prefix(rows, columns, self.tokens_a_tile)
            for (rows,), (columns,) in zip(made["rows"], made["cols"], strict=True)
        ]
        tower: list[torch.Tensor] = []
        watched = self.model.model.connector.register_forward_hook(
            lambda _connector, given, _made: tower.append(given[0].mean(dim=1))
        )
        mask = made.get("pixel_attention_mask")
        with watched:
            tokens = self.model.get_image_features(
                to_device(made["pixel_values"], self.device, self.loaded.torch_dtype),
                None if mask is None else mask.to(self.device),
                return_dict=True,
            ).pooler_output
        ids = pad_sequence([torch.tensor(each) for each, _ in prefixes], batch_first=True)
        at = torch.arange(ids.shape[1])
        exists = at < torch.tensor([[len(each)] for each, _ in prefixes])
        embeds = self._embed(ids.to(self.device))
        read = torch.cat(tokens).to(embeds.dtype)
        shown = ((ids == self.format.image_id) & exists).to(self.device)
        tiles = [len(each) // self.tokens_a_tile for each in tokens]
        return PrefixState(
            cache=self._run_prefixes(embeds.masked_scatter(shown[:, :, None], read)),
            exists=exists,
            image=exists & (at >= torch.tensor([[first] for _, first in prefixes])),
            next_position=exists.sum(dim=1),
            pooled=torch.stack([each.mean(dim=0) for each in tokens]),
            tower=torch.stack([each.mean(dim=0) for each in tower[0].split(tiles)]),
        )


class SmolVlmModel(Idefics3Model):
    """A ``SmolVLMForConditionalGeneration``: an Idefics3 in all that is done here."""

    family, family_name = "smolvlm", "SmolVLM"
    model_class = SmolVLMForConditionalGeneration
