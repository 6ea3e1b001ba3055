"""Attention and rotary positions of Pi0, in plain form and through torch's fused kernel."""

import torch
import torch.nn.functional as F
from torch import Tensor


def hide(scores: Tensor, mask: Tensor) -> Tensor:
    """scores [B,heads,T,S] where mask [B,T,S] is true, openpi's mask value elsewhere. It is finite,
    so that a padded row, which sees nothing, is no NaN."""
    return scores.masked_fill(torch.logical_not(mask).unsqueeze(1), -2.3819763e38)


def fused_attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """`attend` by torch's kernel, which keeps the scores in float32 and never writes them out."""
    B, heads, T, D = q.size(0), q.size(1), q.size(2), q.size(3)
    kv_heads, S = k.size(1), k.size(2)
    if kv_heads != heads:  # for one key head these are views, nothing is copied
        shape = [B, kv_heads, heads // kv_heads, S, D]
        k = k.unsqueeze(2).expand(shape).reshape(B, heads, S, D)
        v = v.unsqueeze(2).expand(shape).reshape(B, heads, S, D)
    bias: Tensor | None = None
    if mask is not None:
        bias = hide(q.new_zeros([B, 1, T, S]), mask)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    return out.transpose(1, 2).reshape(B, T, heads * D)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, fused: bool) -> Tensor:
    """Grouped-query attention: q [B,heads,T,D], k and v [B,kv_heads,S,D], mask bool [B,T,S].

    Returns [B,T,heads*D]. Query heads that share a key head are laid out as more rows of one
    product, so keys and values are never repeated in memory.
    """
    if fused:
        return fused_attend(q, k, v, mask)
    B, heads, T, D = q.size(0), q.size(1), q.size(2), q.size(3)
    kv_heads = k.size(1)
    scores = torch.matmul(q.reshape(B, kv_heads, -1, D), k.transpose(2, 3)) * D**-0.5
    scores = scores.view(B, heads, T, -1).float()
    if mask is not None:
        scores = hide(scores, mask)
    weights = torch.softmax(scores, -1).to(v.dtype)
    out = torch.matmul(weights.view(B, kv_heads, -1, k.size(2)), v)
    return out.view(B, heads, T, D).transpose(1, 2).reshape(B, T, heads * D)


def split_heads(x: Tensor, heads: int) -> Tensor:
    return x.view(x.size(0), x.size(1), heads, -1).transpose(1, 2)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of x [B,heads,T,D]: the two halves of D are the two coordinates."""
    a, b = x.float().chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).to(x.dtype)
