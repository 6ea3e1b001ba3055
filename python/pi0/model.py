"""Pi0, whole, in plain PyTorch: a vision-language prefix, an action expert, and a flow between.

A picture tower (SigLIP) and a prompt make the prefix, which a Gemma transformer reads once; its
keys and values of every layer are kept. A second, narrower Gemma, the action expert, then denoises
an action chunk: at each Euler step its tokens (one state token, H action tokens) attend to the
prefix's keys and values and to each other. Flow time runs from t = 1 (noise) to t = 0 (actions);
the network predicts the velocity noise - actions.

All sizes are configuration. The defaults are the real Pi0 (3.24 B parameters); the small policies
that ship are the same module. Parameter names follow openpi's PyTorch checkpoints after dropping
`paligemma_with_expert.`, `paligemma.model.`, `gemma_expert.model.` -> `gemma_expert.` and
`vision_tower.vision_model.` -> `vision_tower.`.

The module is compiled by `torch.jit.script` and has to run on any device it is moved to: tables are
buffers, new tensors come from `new_*` of an input, there is no random number inside. Precision: a
layer computes in the dtype of its weights, so the towers may be cast to bfloat16 linear by linear;
norms, rotary embedding, softmax, flow time and the state, action and time heads stay float32.

Sources: arXiv 2410.24164; openpi `models/{pi0,gemma}.py`, `models_pytorch/pi0_pytorch.py`.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attend, rotate, split_heads


@dataclass(frozen=True)
class Pi0Config:
    """Sizes of a Pi0. The language model and the expert share layers, heads and head_dim."""

    image_size: int = 224
    patch_size: int = 14
    vision_width: int = 1152
    vision_layers: int = 27
    vision_heads: int = 16
    vision_mlp: int = 4304
    language_width: int = 2048
    language_mlp: int = 16384
    vocabulary: int = 257152
    expert_width: int = 1024
    expert_mlp: int = 4096
    layers: int = 18
    heads: int = 8
    kv_heads: int = 1
    head_dim: int = 256
    horizon: int = 50
    noise_dim: int = 32  # state and actions are zero-padded to this width
    rope_theta: float = 10000.0
    min_period: float = 4e-3  # of the flow time's sine embedding
    max_period: float = 4.0
    time_convention: str = "double"  # "double": t = 1 + i dt (lerobot); "float32": summed (openpi)
    attention: str = "eager"  # "eager": as written here; "sdpa": torch's fused kernel


class LayerNorm(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        shape = [self.weight.size(0)]
        return F.layer_norm(x.float(), shape, self.weight, self.bias, 1e-6).to(x.dtype)


class RMSNorm(nn.Module):
    """x / rms(x) * (1 + weight), in float32 whatever x is."""

    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        y = x.float()
        y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + 1e-6)
        return (y * (1.0 + self.weight)).to(x.dtype)


class VisionAttention(nn.Module):
    def __init__(self, c: Pi0Config):
        super().__init__()
        width = c.vision_width
        self.heads = c.vision_heads
        self.fused = c.attention == "sdpa"
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q = split_heads(self.q_proj(x), self.heads)
        k = split_heads(self.k_proj(x), self.heads)
        v = split_heads(self.v_proj(x), self.heads)
        return self.out_proj(attend(q, k, v, None, self.fused))


class VisionMLP(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class VisionLayer(nn.Module):
    def __init__(self, c: Pi0Config):
        super().__init__()
        self.layer_norm1 = LayerNorm(c.vision_width)
        self.self_attn = VisionAttention(c)
        self.layer_norm2 = LayerNorm(c.vision_width)
        self.mlp = VisionMLP(c.vision_width, c.vision_mlp)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class VisionEmbeddings(nn.Module):
    def __init__(self, c: Pi0Config):
        super().__init__()
        patches = (c.image_size // c.patch_size) ** 2
        self.patch_embedding = nn.Conv2d(3, c.vision_width, c.patch_size, c.patch_size)
        self.position_embedding = nn.Embedding(patches, c.vision_width)
        nn.init.normal_(self.position_embedding.weight, std=c.vision_width**-0.5)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patch_embedding(images.to(self.patch_embedding.weight.dtype))
        return x.flatten(2).transpose(1, 2) + self.position_embedding.weight


class VisionEncoder(nn.Module):
    def __init__(self, c: Pi0Config):
        super().__init__()
        self.layers = nn.ModuleList([VisionLayer(c) for _ in range(c.vision_layers)])

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.layers[0].mlp.fc1.weight.dtype)
        for layer in self.layers:
            x = layer(x)
        return x


class VisionTower(nn.Module):
    """SigLIP: images [M,3,S,S] in [-1,1] -> patch features [M, patches, vision_width]."""

    def __init__(self, c: Pi0Config):
        super().__init__()
        self.embeddings = VisionEmbeddings(c)
        self.encoder = VisionEncoder(c)
        self.post_layernorm = LayerNorm(c.vision_width)

    def forward(self, images: Tensor) -> Tensor:
        return self.post_layernorm(self.encoder(self.embeddings(images)))


class Projector(nn.Module):
    def __init__(self, c: Pi0Config):
        super().__init__()
        self.linear = nn.Linear(c.vision_width, c.language_width)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.to(self.linear.weight.dtype))


class GemmaAttention(nn.Module):
    def __init__(self, width: int, c: Pi0Config):
        super().__init__()
        self.heads = c.heads
        self.kv_heads = c.kv_heads
        self.q_proj = nn.Linear(width, c.heads * c.head_dim, bias=False)
        self.k_proj = nn.Linear(width, c.kv_heads * c.head_dim, bias=False)
        self.v_proj = nn.Linear(width, c.kv_heads * c.head_dim, bias=False)
        self.o_proj = nn.Linear(c.heads * c.head_dim, width, bias=False)

    def query(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        return rotate(split_heads(self.q_proj(x), self.heads), cos, sin)

    def key_value(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        k = rotate(split_heads(self.k_proj(x), self.kv_heads), cos, sin)
        return k, split_heads(self.v_proj(x), self.kv_heads)


class GemmaMLP(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.gelu(self.gate_proj(x), approximate="tanh") * self.up_proj(x))


class GemmaLayer(nn.Module):
    def __init__(self, width: int, hidden: int, c: Pi0Config):
        super().__init__()
        self.fused = c.attention == "sdpa"
        self.input_layernorm = RMSNorm(width)
        self.self_attn = GemmaAttention(width, c)
        self.post_attention_layernorm = RMSNorm(width)
        self.mlp = GemmaMLP(width, hidden)

    def forward(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        x = x + self.self_attn.o_proj(attend(q, k, v, mask, self.fused))
        return x + self.mlp(self.post_attention_layernorm(x))


class LanguageModel(nn.Module):
    """Gemma over the prefix. What the expert reads is each layer's keys and values, no output."""

    def __init__(self, c: Pi0Config):
        super().__init__()
        self.scale = math.sqrt(c.language_width)
        self.last = c.layers - 1
        self.embed_tokens = nn.Embedding(c.vocabulary, c.language_width)
        nn.init.normal_(self.embed_tokens.weight, std=c.language_width**-0.5)
        layers = [GemmaLayer(c.language_width, c.language_mlp, c) for _ in range(c.layers)]
        self.layers = nn.ModuleList(layers)
        self.norm = RMSNorm(c.language_width)  # in every checkpoint, read by nothing here

    def embed(self, tokens: Tensor) -> Tensor:
        return self.embed_tokens(tokens) * self.scale

    def forward(
        self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor
    ) -> tuple[list[Tensor], list[Tensor]]:
        keys: list[Tensor] = []
        values: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            h = layer.input_layernorm(x)
            k, v = layer.self_attn.key_value(h, cos, sin)
            keys.append(k)
            values.append(v)
            if i < self.last:  # after the last keys and values nothing is read any more
                x = layer(x, layer.self_attn.query(h, cos, sin), k, v, mask)
        return keys, values


class ActionExpert(nn.Module):
    """Gemma over the suffix, whose tokens also attend to the prefix's keys and values."""

    def __init__(self, c: Pi0Config):
        super().__init__()
        layers = [GemmaLayer(c.expert_width, c.expert_mlp, c) for _ in range(c.layers)]
        self.layers = nn.ModuleList(layers)
        self.norm = RMSNorm(c.expert_width)

    def forward(
        self, x: Tensor, K: Tensor, V: Tensor, mask: Tensor, cos: Tensor, sin: Tensor
    ) -> Tensor:
        for i, layer in enumerate(self.layers):
            h = layer.input_layernorm(x)
            k, v = layer.self_attn.key_value(h, cos, sin)
            k, v = torch.cat([K[i], k], 2), torch.cat([V[i], v], 2)
            x = layer(x, layer.self_attn.query(h, cos, sin), k, v, mask)
        return self.norm(x)


def tables(c: Pi0Config) -> dict[str, Tensor]:
    """The module's buffers: tables, not parameters. Make them anew after casting the module as a
    whole, because rounding them to bfloat16 moves the rotary phase by more than a radian at
    position 866, and after making it on the meta device."""
    exponents = torch.arange(0, c.head_dim, 2, dtype=torch.float32) / c.head_dim
    fraction = torch.linspace(0, 1, c.expert_width // 2, dtype=torch.float64)
    periods = c.min_period * (c.max_period / c.min_period) ** fraction
    suffix = torch.ones(1 + c.horizon, 1 + c.horizon, dtype=torch.bool)
    suffix[0, 1:] = False  # the state does not see the actions; actions see everything
    return {
        "rope_frequencies": c.rope_theta**-exponents,
        "time_frequencies": 2 * math.pi / periods,
        "suffix_mask": suffix,
        "suffix_steps": torch.arange(1 + c.horizon),
    }


class Pi0(nn.Module):
    """See the module's docstring. Shapes: B batch, N cameras, S image size, L prompt, H horizon,
    D = noise_dim, P = N * patches + L; K and V [layers, B, kv_heads, P, head_dim]."""

    def __init__(self, c: Pi0Config):
        super().__init__()
        if c.image_size % c.patch_size != 0 or c.heads % c.kv_heads != 0:
            raise ValueError("image_size must divide by patch_size, and heads by kv_heads")
        if c.time_convention not in ("double", "float32"):
            raise ValueError(f"time_convention is {c.time_convention!r}, not double or float32")
        if c.attention not in ("eager", "sdpa"):
            raise ValueError(f"attention is {c.attention!r}, not eager or sdpa")
        self.horizon = c.horizon
        self.sum_time_in_float32 = c.time_convention == "float32"
        self.vision_tower = VisionTower(c)
        self.multi_modal_projector = Projector(c)
        self.language_model = LanguageModel(c)
        self.gemma_expert = ActionExpert(c)
        self.state_proj = nn.Linear(c.noise_dim, c.expert_width)
        self.action_in_proj = nn.Linear(c.noise_dim, c.expert_width)
        self.action_time_mlp_in = nn.Linear(2 * c.expert_width, c.expert_width)
        self.action_time_mlp_out = nn.Linear(c.expert_width, c.expert_width)
        self.action_out_proj = nn.Linear(c.expert_width, c.noise_dim)

        for name, table in tables(c).items():
            self.register_buffer(name, table, persistent=False)

    def rope(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """positions i64 [B,T] -> cos, sin f32 [B,1,T,head_dim/2]."""
        angle = positions.float().unsqueeze(-1) * self.rope_frequencies
        return angle.cos().unsqueeze(1), angle.sin().unsqueeze(1)

    @torch.jit.export
    def prefix(
        self, images: Tensor, image_masks: Tensor, tokens: Tensor, token_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """images f32 [B,N,3,S,S] in [-1,1], image_masks bool [B,N], tokens i64 [B,L], token_mask
        bool [B,L] -> pad bool [B,P] (true: a real token), K, V."""
        B, N = images.size(0), images.size(1)
        features = self.multi_modal_projector(self.vision_tower(images.flatten(0, 1)))
        words = self.language_model.embed(tokens)
        x = torch.cat([features.reshape(B, -1, words.size(2)).to(words.dtype), words], 1)
        patches = features.size(1)
        seen = image_masks.unsqueeze(-1).expand(B, N, patches).reshape(B, -1)
        pad = torch.cat([seen, token_mask], 1)
        cos, sin = self.rope(pad.cumsum(1) - 1)
        mask = torch.logical_and(pad.unsqueeze(1), pad.unsqueeze(2))
        keys, values = self.language_model(x, mask, cos, sin)
        return pad, torch.stack(keys), torch.stack(values)

    @torch.jit.export
    def denoise_step(
        self, state: Tensor, pad: Tensor, K: Tensor, V: Tensor, x_t: Tensor, t: Tensor
    ) -> Tensor:
        """state f32 [B,D], x_t f32 [B,H,D], flow time t f32 [B] -> velocity f32 [B,H,D]."""
        B, H = x_t.size(0), self.horizon
        angle = t.unsqueeze(-1) * self.time_frequencies  # float64, as in openpi
        time = torch.cat([angle.sin(), angle.cos()], -1).float()
        time = time.unsqueeze(1).expand(-1, H, -1)
        actions = torch.cat([self.action_in_proj(x_t), time], -1)
        actions = self.action_time_mlp_out(F.silu(self.action_time_mlp_in(actions)))
        x = torch.cat([self.state_proj(state).unsqueeze(1), actions], 1).to(K.dtype)

        cos, sin = self.rope(pad.sum(1, keepdim=True) + self.suffix_steps)
        to_prefix = pad.unsqueeze(1).expand(-1, 1 + H, -1)
        mask = torch.cat([to_prefix, self.suffix_mask.expand(B, -1, -1)], 2)
        x = self.gemma_expert(x, K, V, mask, cos, sin)
        return self.action_out_proj(x[:, 1:].float())

    @torch.jit.export
    def sample_from_prefix(
        self, state: Tensor, pad: Tensor, K: Tensor, V: Tensor, noise: Tensor, num_steps: int
    ) -> Tensor:
        """Euler from noise f32 [B,H,D] at t = 1 to actions f32 [B,H,D] at t = 0."""
        dt = -1.0 / num_steps
        x = noise
        t = state.new_full([state.size(0)], 1.0)
        for i in range(num_steps):
            x = x + dt * self.denoise_step(state, pad, K, V, x, t)
            t = t + dt if self.sum_time_in_float32 else torch.full_like(t, 1.0 + (i + 1) * dt)
        return x

    def forward(
        self,
        images: Tensor,
        image_masks: Tensor,
        tokens: Tensor,
        token_mask: Tensor,
        state: Tensor,
        noise: Tensor,
        num_steps: int,
    ) -> Tensor:
        """Everything at once: observation and noise f32 [B,H,D] -> actions f32 [B,H,D], all
        normalised and padded."""
        pad, K, V = self.prefix(images, image_masks, tokens, token_mask)
        return self.sample_from_prefix(state, pad, K, V, noise, num_steps)
