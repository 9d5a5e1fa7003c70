"""What a stock checkpoint says of inputs that its own processor made, for any adapter around it."""

from __future__ import annotations

from typing import Any

import torch


def stock_logprobs(model: Any, inputs: Any) -> torch.Tensor:
    """Log-probabilities (vocabulary,) of the token behind one prompt."""
    with torch.inference_mode():
        logits: torch.Tensor = model.model(**inputs).logits[0, -1]
    return torch.log_softmax(logits, dim=-1)


def stock_generate(model: Any, inputs: Any) -> tuple[str, list[torch.Tensor]]:
    """The greedy answer to one prompt, and at each step the two best log-probabilities."""
    out = model.model.generate(
        **inputs,
        max_new_tokens=model.max_new_tokens,
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
    )
    tokens = out.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    until = next((i for i, token in enumerate(tokens) if token in model.stops), len(tokens))
    text: str = model.processor.tokenizer.decode(tokens[:until], skip_special_tokens=True)
    return text.strip(), [score[0].log_softmax(-1).topk(2).values for score in out.scores]
