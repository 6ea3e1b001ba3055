"""What the native learner is compared on: one scenario for each branch of the update.

    python -m reference.scenarios        # the scenarios and their mistakes as JSON
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

# So small because each unit is one more chance to meet a kink of its ReLU: see `calibrate`.
SMALL: dict[str, Any] = {
    "image_size": 8,
    "image_channels": [4, 6, 5, 4],
    # Unequal on purpose: a wrong order or size of the two features must not fit by accident.
    "image_latent_dim": 16,
    "state_latent_dim": 12,
    "hidden_dims": [16, 16, 16],
}

# Each mistake is planted in scenarios that make it visible.
PLANTS: dict[str, str] = {
    "stale-features": "the actor's pass reuses the features of the critic's, from before its step",
    "online-target-encoders": "the target's heads see the online critic's features",
    "no-tanh-correction": "log p is that of the Gaussian alone",
    "gamma-always": "gamma^5 whatever number of steps the chunk executed",
    "joint-clipping": "one norm over actor and critic, stale gradients included",
    "no-termination-mask": "terminated chunks bootstrap",
    "divide-by-256": "pictures are x / 256 * 2 - 1",
    "swapped-concatenation": "image feature before state feature",
    "missing-log-b": "log p lacks the scale of the noise",
    "bf16-ema": "the target is kept in bfloat16",
}


@dataclass
class Scenario:
    name: str
    about: str
    config: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    updates: int = 20
    batch_sizes: list[int] = field(default_factory=lambda: [12])  # used in turn
    with_target: bool = True  # False: the target starts as a copy of the critic
    with_base_alpha: bool = True  # False: the temperature follows from initial_alpha
    arguments: list[str] = field(default_factory=list)  # further ones of the command line
    plants: list[str] = field(default_factory=list)


def small(
    name: str, about: str, seed: int, plants: tuple[str, ...] = (), **config: Any
) -> Scenario:
    return Scenario(name, about, SMALL | config, seed, plants=list(plants))


TIGHT_CLIPS = {"critic_clip": 0.7, "actor_clip": 0.05, "alpha_clip": 0.5}
# The target entropy lies among those that the agent has, so that the temperature's gradient changes
# its sign: a constant one, or one that is always clipped, hides the moments.
OTHER_ADAM = {"adam_eps": 0.01, "critic_betas": [0.7, 0.9], "actor_betas": [0.5, 0.8],
              "alpha_betas": [0.6, 0.95], "actor_lr": 1e-3, "alpha_lr": 1e-2,
              "target_entropy": 15.0}
ALL_MIN = {"agg_q": "min", "actor_agg_q": "min", "backup_entropy": True}

# The seeds are ones that `calibrate` accepts: see there what "nearest kink" means.
SCENARIOS: list[Scenario] = [
    small("base", "defaults", 9, tuple(p for p in PLANTS if p != "missing-log-b")),
    small("min_target", "agg_q min", 2, agg_q="min"),
    small("min_actor", "actor_agg_q min", 7, actor_agg_q="min"),
    small("always", "bootstrap_type always", 20, bootstrap_type="always"),
    small("backup_entropy", "entropy in the target, b = 2.5", 3,
          ("no-tanh-correction", "missing-log-b"), backup_entropy=True, noise_magnitude=2.5),
    small("alpha_exp", "alpha_type exp", 2, alpha_type="exp", initial_alpha=0.4),
    # So small that the actor's gradient is mostly that of Q.
    small("alpha_fixed", "fixed_alpha", 0, alpha_type="fixed_alpha", initial_alpha=0.02),
    small("delayed_actor", "train_actor_steps 7", 0, train_actor_steps=7),
    small("target_every_3", "target_update_freq 3", 0, ("bf16-ema",), target_update_freq=3,
          tau=0.05),
    small("noise_2_5", "noise_magnitude 2.5", 4, ("missing-log-b",), noise_magnitude=2.5),
    small("short_chunks", "gamma 0.95", 7, ("gamma-always", "no-termination-mask"), gamma=0.95),
    small("tight_clips", "clip norms that bind", 2, ("joint-clipping",), **TIGHT_CLIPS),
    small("adam", "large eps, fast moments", 0, **OTHER_ADAM),
    small("micro_divisor", "micro_batch_size 4 of 12", 9, micro_batch_size=4),
    small("micro_non_divisor", "micro_batch_size 5 of 12", 12, micro_batch_size=5, **ALL_MIN),
    Scenario("threads", "two threads share the rows", SMALL, seed=9,
             arguments=["--threads", "2"], plants=["joint-clipping", "divide-by-256"]),
    small("no_images", "image_size 0", 9, ("stale-features",), image_size=0),
    Scenario(
        "sizes",
        "every size differs, batches differ in length",
        SMALL | {"image_size": 14, "image_channels": [3, 6, 4], "image_kernels": [3, 2, 4],
                 "image_strides": [1, 2, 3], "state_dim": 5, "noise_dim": 7, "num_q_heads": 3,
                 "hidden_dims": [12, 24, 16], "target_entropy": -3.5},
        seed=11,
        batch_sizes=[12, 7, 1],
    ),
    Scenario(
        "from_nothing",
        "no target, no temperature; updates 3 to 9 of the folder",
        SMALL | {"initial_alpha": 0.25, "train_actor_steps": 5, "target_update_freq": 4},
        seed=1,
        updates=12,
        with_target=False,
        with_base_alpha=False,
        arguments=["--first", "3", "--limit", "7"],
    ),
    Scenario(
        "tabletop",
        "the encoder of the tabletop recipe",
        SMALL | {"image_size": 64, "image_channels": [2, 3, 4, 5],
                 "image_kernels": [4, 3, 3, 3], "image_strides": [4, 2, 2, 2]},
        seed=4,
        plants=["divide-by-256", "swapped-concatenation"],
    ),
    Scenario("stock", "default sizes", {}, seed=104, updates=2, batch_sizes=[2]),
]


def chosen(names: list[str] | None) -> list[Scenario]:
    """The scenarios of these names, or all."""
    unknown = set(names or []) - {scenario.name for scenario in SCENARIOS}
    if unknown:
        raise SystemExit(f"no scenario is called {', '.join(sorted(unknown))}")
    return [scenario for scenario in SCENARIOS if not names or scenario.name in names]


if __name__ == "__main__":
    print(json.dumps([asdict(scenario) for scenario in SCENARIOS]))
