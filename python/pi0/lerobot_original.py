"""LeRobot's own Pi0, at tiny sizes and with random weights: what this package is checked against.

    pip install transformers==5.5.4 torch draccus==0.11.6 einops safetensors
    pip install --no-deps --ignore-requires-python lerobot==0.6.1

LeRobot's package wants Python 3.12, torchvision and gymnasium, of which its Pi0 uses nothing. Its
files are imported as they are, except that a generic class or function in 3.12's notation is put
into 3.11's; those two packages are stood in for where they are not installed, and
`lerobot.policies` is entered without its __init__, which imports every policy there is.
"""

import __future__

import importlib
import importlib.util
import re
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType, SimpleNamespace

import torch

from .model import Pi0Config

STOOD_IN = ("torchvision", "gymnasium")
PICTURES = "observation.images."


class EarlierNotation(SourceFileLoader):
    def get_code(self, name: str) -> object:
        source = self.get_data(self.path).decode()
        text = re.sub(
            r"^class (\w+)\[(\w+(?:, \w+)*)\]\((.*)\):",
            r"class \1(\3, __import__('typing').Generic[\2]):",
            source,
            flags=re.M,
        )
        text = re.sub(r"^(\s*def \w+)\[\w+(?:: \w+)?\]\(", r"\1(", text, flags=re.M)
        text = re.sub(r"^type (\w+) = ", r"\1 = ", text, flags=re.M)
        # The type variables of functions are gone with the brackets: leave annotations unread.
        flags = 0 if text == source else __future__.annotations.compiler_flag
        return compile(text, self.path, "exec", flags=flags, dont_inherit=True)


class LeRobotFinder(MetaPathFinder):
    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        if not name.startswith("lerobot."):
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = EarlierNotation(name, spec.loader.path)
        return spec


class Anything(type):
    """A class whose every attribute is another such class."""

    def __getattr__(cls, name: str) -> "Anything":
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything(name, (), {})


class StandIn(ModuleType):
    __path__: list[str] = []

    def __getattr__(self, name: str) -> Anything:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything(name, (), {})


class StandInFinder(MetaPathFinder, Loader):
    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] in STOOD_IN else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def import_lerobot() -> SimpleNamespace:
    """The modules of LeRobot's Pi0: configuration, modeling, processor, tokenizer."""
    importlib.import_module("transformers.models.auto")  # it looks for torchvision: the true answer
    sys.meta_path.insert(0, LeRobotFinder())
    sys.meta_path.append(StandInFinder())
    package = importlib.import_module("lerobot")
    policies = ModuleType("lerobot.policies")
    policies.__path__ = [f"{package.__path__[0]}/policies"]
    sys.modules["lerobot.policies"] = policies
    names = {
        "configuration": "lerobot.policies.pi0.configuration_pi0",
        "modeling": "lerobot.policies.pi0.modeling_pi0",
        "processor": "lerobot.policies.pi0.processor_pi0",
        "tokenizer": "lerobot.processor.tokenizer_processor",
        "types": "lerobot.configs",
    }
    return SimpleNamespace(**{key: importlib.import_module(name) for key, name in names.items()})


def pin(config: object, **values: object) -> None:
    """Sets values which later assignments cannot change: LeRobot writes the real sizes in."""

    def setter(self: object, name: str, value: object) -> None:
        super(kind, self).__setattr__(name, values.get(name, value))

    kind = type(type(config).__name__, (type(config),), {"__setattr__": setter})
    config.__class__ = kind
    for name, value in values.items():
        setattr(config, name, value)


def make_small(modeling: ModuleType, c: Pi0Config) -> None:
    """Makes LeRobot build its network at the sizes of c, whatever its configuration says."""
    mapping = importlib.import_module("transformers.models.auto").CONFIG_MAPPING

    def paligemma() -> object:
        config = mapping["paligemma"]()
        pin(
            config.vision_config,
            hidden_size=c.vision_width,
            num_hidden_layers=c.vision_layers,
            num_attention_heads=c.vision_heads,
            intermediate_size=c.vision_mlp,
            patch_size=c.patch_size,
            projection_dim=c.language_width,
        )
        pin(config.text_config, vocab_size=c.vocabulary)
        pin(config, image_token_index=c.vocabulary)
        return config

    def gemma(**sizes: object) -> object:
        return mapping["gemma"](**{**sizes, "vocab_size": c.vocabulary})

    def variant(name: str) -> SimpleNamespace:
        width, mlp = {
            "gemma_2b": (c.language_width, c.language_mlp),
            "gemma_300m": (c.expert_width, c.expert_mlp),
        }[name]
        return SimpleNamespace(
            width=width,
            mlp_dim=mlp,
            depth=c.layers,
            num_heads=c.heads,
            num_kv_heads=c.kv_heads,
            head_dim=c.head_dim,
        )

    modeling.CONFIG_MAPPING = {"paligemma": paligemma, "gemma": gemma}
    modeling.get_gemma_config = variant


def small_config(lerobot: SimpleNamespace, c: Pi0Config, **values: object) -> object:
    return lerobot.configuration.PI0Config(
        device="cpu",
        image_resolution=(c.image_size, c.image_size),
        max_action_dim=c.noise_dim,
        max_state_dim=c.noise_dim,
        chunk_size=c.horizon,
        n_action_steps=c.horizon,
        min_period=c.min_period,
        max_period=c.max_period,
        **values,
    )


def randomise(model: torch.nn.Module) -> None:
    """Every parameter random: as initialised, norms and biases are zero and would hide mistakes."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 10.0
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * fan_in**-0.5)


def inputs(c: Pi0Config, batch: int, cameras: int, prompt: int, seed: int) -> dict:
    """Random observation and noise, by the names of the artefact's inputs. With several cameras
    some are masked, the middle one too; the prompts of a batch have different lengths."""
    g = torch.Generator().manual_seed(seed)
    images = torch.rand(batch, cameras, 3, c.image_size, c.image_size, generator=g) * 2 - 1
    seen = torch.rand(batch, cameras, generator=g) < 0.6
    seen[:, 0] = True
    seen[0, 1] = seed % 2 == 0
    lengths = torch.randint(3, prompt + 1, (batch, 1), generator=g)
    lengths[0] = prompt
    return {
        "images": images,
        "image_masks": seen,
        "tokens": torch.randint(0, c.vocabulary, (batch, prompt), generator=g),
        "token_mask": torch.arange(prompt) < lengths,
        "state": torch.randn(batch, c.noise_dim, generator=g),
        "noise": torch.randn(batch, c.horizon, c.noise_dim, generator=g),
    }


def split(x: dict) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor, torch.Tensor]:
    """Pictures and their masks camera by camera, as LeRobot takes them."""
    cameras = range(x["images"].shape[1])
    images = [x["images"][:, n] for n in cameras]
    return images, [x["image_masks"][:, n] for n in cameras], x["tokens"], x["token_mask"]


def actions(model: torch.nn.Module, x: dict, steps: int) -> torch.Tensor:
    """PI0Pytorch.sample_actions."""
    return model.sample_actions(*split(x), x["state"], noise=x["noise"], num_steps=steps)
