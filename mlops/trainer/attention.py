"""Causal attention inside each conversation of a packed row, without a mask.

A mask over the whole row costs its length squared and keeps torch from its fast kernels; here the cost is the sum of
the conversations' lengths squared, and every kernel is the fast one. On GPUs since Ampere it is torch's own
FlashAttention for rows of many lengths; elsewhere torch's attention is called conversation by conversation.
"""

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

NAME = "conversations"
AMPERE = (8, 0)


def register() -> str:
    """Make the attention known to transformers and give the name by which a model is told to use it."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)
    return NAME


def attend(  # noqa: PLR0913 (the interface is transformers')
    module: torch.nn.Module,  # noqa: ARG001
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # noqa: ARG001 (there is none)
    *,
    cu_seq_lens_q: torch.Tensor,
    max_length_q: int,
    scaling: float,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend in one packed row: (1, heads, tokens, head size) to (1, tokens, heads, head size).

    `cu_seq_lens_q` are the conversations' bounds, int32 (conversations + 1), `max_length_q` the longest one's length.
    """
    if torch.is_autocast_enabled(query.device.type):  # rotary embeddings leave fp32, which the fast kernels refuse
        dtype = torch.get_autocast_dtype(query.device.type)
        query, key, value = (tensor.to(dtype) for tensor in (query, key, value))
    if _has_flash(query) and not dropout:
        return _flash(query, key, value, cu_seq_lens_q, max_length_q, scaling, sliding_window), None
    lengths = cu_seq_lens_q.diff().tolist()
    parts = zip(*(tensor.split(lengths, dim=2) for tensor in (query, key, value)), strict=True)
    return torch.cat(
        [_alone(*part, dropout=dropout, scaling=scaling, window=sliding_window) for part in parts], dim=2
    ).transpose(1, 2), None


def _has_flash(query: torch.Tensor) -> bool:
    half = query.dtype in (torch.bfloat16, torch.float16)
    return query.is_cuda and half and torch.cuda.get_device_capability(query.device) >= AMPERE


def _flash(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    longest: int,
    scaling: float,
    window: int | None,
) -> torch.Tensor:
    from torch.nn.attention.varlen import varlen_attn

    before = -1 if window is None else window - 1
    attended: Any = varlen_attn(
        query.squeeze(0).transpose(0, 1),
        key.squeeze(0).transpose(0, 1),
        value.squeeze(0).transpose(0, 1),
        bounds,
        bounds,
        longest,
        longest,
        scale=scaling,
        window_size=(before, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    whole: torch.Tensor = attended.unsqueeze(0)
    return whole


def _alone(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, dropout: float, scaling: float, window: int | None
) -> torch.Tensor:
    """Attend in one conversation; only where it is longer than the sliding window does it need a mask."""
    length = query.shape[2]
    mask = None
    if window is not None and length > window:
        whole = torch.ones(length, length, dtype=torch.bool, device=query.device)
        mask = whole.tril() & ~whole.tril(-window)
    return scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        dropout_p=dropout,
        is_causal=mask is None,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )
