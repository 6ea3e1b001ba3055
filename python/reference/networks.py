"""The agent's networks as plain modules under RLinf's parameter names (`dsrl.md` section 2)."""

import torch
from torch import Tensor, nn

from .config import Config


def conv_padding(kernel: int) -> int:
    if kernel == 3:
        return 1
    if kernel % 2 == 0:
        return 0
    raise ValueError(f"image_kernels: {kernel} is neither 3 nor even")


class ImageEncoder(nn.Module):
    """uint8 [B, S, S, 3] -> [B, image_latent_dim]"""

    def __init__(self, config: Config):
        super().__init__()
        lists = (config.image_channels, config.image_kernels, config.image_strides)
        if len({len(values) for values in lists}) != 1:
            raise ValueError("image_channels, image_kernels, image_strides differ in length")
        layers: list[nn.Module] = []
        channels, size = 3, config.image_size
        for out_channels, kernel, stride in zip(*lists):
            padding = conv_padding(kernel)
            layers += [nn.Conv2d(channels, out_channels, kernel, stride, padding), nn.ReLU()]
            channels, size = out_channels, (size + 2 * padding - kernel) // stride + 1
        self.encoder = nn.Sequential(*layers)
        self.bottleneck = nn.Sequential(
            nn.Flatten(),  # (C, H, W)
            nn.Linear(channels * size * size, config.image_latent_dim),
            nn.LayerNorm(config.image_latent_dim),
            nn.Tanh(),
        )
        self.white = 255.0  # what 1.0 is in the picture's bytes

    def forward(self, images: Tensor) -> Tensor:
        dtype = self.bottleneck[1].weight.dtype
        pixels = images.permute(0, 3, 1, 2).to(dtype) / self.white * 2 - 1
        return self.bottleneck(self.encoder(pixels))


class StateEncoder(nn.Module):
    """[B, state_dim] -> [B, state_latent_dim]"""

    def __init__(self, config: Config):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(config.state_dim, config.state_latent_dim),
            nn.LayerNorm(config.state_latent_dim),
            nn.Tanh(),
        )

    def forward(self, states: Tensor) -> Tensor:
        return self.encoder(states)


def feature_dim(config: Config) -> int:
    return config.state_latent_dim + (config.image_latent_dim if config.image_size else 0)


def hidden_layers(inputs: int, hidden_dims: list[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for width in hidden_dims:
        layers += [nn.Linear(inputs, width), nn.LayerNorm(width), nn.ReLU()]
        inputs = width
    return layers


class GaussianPolicy(nn.Module):
    """features [B, F] -> mean and log_std [B, noise_dim] of the Gaussian before the tanh"""

    def __init__(self, config: Config):
        super().__init__()
        self.shared_net = nn.Sequential(*hidden_layers(feature_dim(config), config.hidden_dims))
        self.mean_layer = nn.Linear(config.hidden_dims[-1], config.noise_dim)
        self.log_std_layer = nn.Linear(config.hidden_dims[-1], config.noise_dim)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.shared_net(features)
        return self.mean_layer(hidden), torch.clamp(self.log_std_layer(hidden), -20, 2)


class QHead(nn.Module):
    """[features, noise] [B, F + noise_dim] -> [B, 1]"""

    def __init__(self, config: Config):
        super().__init__()
        inputs = feature_dim(config) + config.noise_dim
        layers = hidden_layers(inputs, config.hidden_dims)
        self.net = nn.Sequential(*layers, nn.Linear(config.hidden_dims[-1], 1))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.net(inputs)


class CompactMultiQHead(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.q_heads = nn.ModuleList([QHead(config) for _ in range(config.num_q_heads)])

    def forward(self, features: Tensor, noise: Tensor) -> Tensor:
        inputs = torch.cat([features, noise], dim=1)
        return torch.cat([head(inputs) for head in self.q_heads], dim=1)  # [B, heads]


class Encoders(nn.Module):
    """The pair of encoders that actor and critic each own, named with their prefix."""

    def __init__(self, config: Config, prefix: str):
        super().__init__()
        self.prefix = prefix
        self.image_first = False
        if config.image_size:
            setattr(self, f"{prefix}_image_encoder", ImageEncoder(config))
        setattr(self, f"{prefix}_state_encoder", StateEncoder(config))

    def features(self, images: Tensor | None, states: Tensor) -> Tensor:
        parts = [getattr(self, f"{self.prefix}_state_encoder")(states)]
        if images is not None:
            parts.append(getattr(self, f"{self.prefix}_image_encoder")(images))
        return torch.cat(parts[::-1] if self.image_first else parts, dim=1)


class Actor(Encoders):
    def __init__(self, config: Config):
        super().__init__(config, "actor")
        self.dsrl_action_noise_net = GaussianPolicy(config)


class Critic(Encoders):
    def __init__(self, config: Config):
        super().__init__(config, "critic")
        self.q_head = CompactMultiQHead(config)
