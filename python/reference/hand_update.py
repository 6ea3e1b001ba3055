"""The update once more in Python's own floats: no torch, no autograd, gradients by differences.

It exists to check `sac_update`. Tensors are flat lists of floats in row-major order; a batch is a
list of rows. Only for tiny sizes.
"""

import math
from collections.abc import Callable

from .config import Config

Weights = dict[str, list[float]]
Row = dict[str, list[float] | float]

BASE_ALPHA = "entropy_temp.base_alpha"
STEP = 1e-5  # of the central differences


def linear(x: list[float], weights: Weights, path: str) -> list[float]:
    weight, bias = weights[f"{path}.weight"], weights[f"{path}.bias"]
    n = len(x)
    return [
        sum(weight[n * o + i] * x[i] for i in range(n)) + bias[o] for o in range(len(bias))
    ]


def layer_norm(x: list[float], weights: Weights, path: str) -> list[float]:
    mean = sum(x) / len(x)
    variance = sum((v - mean) ** 2 for v in x) / len(x)
    scale = 1 / math.sqrt(variance + 1e-5)
    gain, bias = weights[f"{path}.weight"], weights[f"{path}.bias"]
    return [(v - mean) * scale * g + b for v, g, b in zip(x, gain, bias)]


def relu(x: list[float]) -> list[float]:
    return [max(v, 0.0) for v in x]


def convolution(
    planes: list[list[list[float]]], weights: Weights, path: str, kernel: int, stride: int
) -> list[list[list[float]]]:
    """planes[channel][row][column]"""
    weight, bias = weights[f"{path}.weight"], weights[f"{path}.bias"]
    padding, size, inputs = (1 if kernel == 3 else 0), len(planes[0]), len(planes)
    out_size = (size + 2 * padding - kernel) // stride + 1

    def at(channel: int, row: int, column: int) -> float:
        inside = 0 <= row < size and 0 <= column < size
        return planes[channel][row][column] if inside else 0.0

    def output(o: int, row: int, column: int) -> float:
        total = bias[o]
        for c in range(inputs):
            for y in range(kernel):
                for x in range(kernel):
                    w = weight[((o * inputs + c) * kernel + y) * kernel + x]
                    total += w * at(c, row * stride - padding + y, column * stride - padding + x)
        return max(total, 0.0)

    side = range(out_size)
    return [[[output(o, row, col) for col in side] for row in side] for o in range(len(bias))]


def features(weights: Weights, prefix: str, row: Row, s: str, config: Config) -> list[float]:
    """`s` is "" for the state and "next_" for the one after."""
    path = f"{prefix}_state_encoder.encoder"
    hidden = layer_norm(linear(row[f"{s}states"], weights, f"{path}.0"), weights, f"{path}.1")
    found = [math.tanh(v) for v in hidden]
    size = config.image_size
    if size:
        pixels = row[f"{s}images"]  # H, W, C
        side = range(size)
        planes = [
            [[pixels[(y * size + x) * 3 + c] / 255 * 2 - 1 for x in side] for y in side]
            for c in range(3)
        ]
        for layer, (kernel, stride) in enumerate(zip(config.image_kernels, config.image_strides)):
            path = f"{prefix}_image_encoder.encoder.{2 * layer}"
            planes = convolution(planes, weights, path, kernel, stride)
        flat = [value for plane in planes for line in plane for value in line]
        path = f"{prefix}_image_encoder.bottleneck"
        hidden = layer_norm(linear(flat, weights, f"{path}.1"), weights, f"{path}.2")
        found += [math.tanh(v) for v in hidden]
    return found


def hidden_stack(x: list[float], weights: Weights, path: str, layers: int) -> list[float]:
    for i in range(layers):
        x = linear(x, weights, f"{path}.{3 * i}")
        x = relu(layer_norm(x, weights, f"{path}.{3 * i + 1}"))
    return x


def policy(
    weights: Weights, row: Row, s: str, eps: list[float], config: Config
) -> tuple[list[float], float]:
    """The noise and its log density."""
    net, b = "dsrl_action_noise_net", config.noise_magnitude
    x = features(weights, "actor", row, s, config)
    x = hidden_stack(x, weights, f"{net}.shared_net", len(config.hidden_dims))
    mean = linear(x, weights, f"{net}.mean_layer")
    log_std = [min(max(v, -20.0), 2.0) for v in linear(x, weights, f"{net}.log_std_layer")]
    noise, log_p = [], 0.0
    for m, log_s, e in zip(mean, log_std, eps):
        y = math.tanh(m + math.exp(log_s) * e)
        log_p += -e * e / 2 - log_s - math.log(2 * math.pi) / 2 - math.log(1 - y * y + 1e-7)
        noise.append(b * y)
    return noise, log_p - len(noise) * math.log(b)


def q_values(weights: Weights, found: list[float], noise: list[float], c: Config) -> list[float]:
    values = []
    for j in range(c.num_q_heads):
        path, layers = f"q_head.q_heads.{j}.net", len(c.hidden_dims)
        x = hidden_stack(found + noise, weights, path, layers)
        values += linear(x, weights, f"{path}.{3 * layers}")
    return values


def aggregate(q: list[float], how: str) -> float:
    return min(q) if how == "min" else sum(q) / len(q)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


class Group:
    """One Adam over the tensors of a group; gradients by central differences."""

    def __init__(self, weights: Weights, names: list[str], lr: float, betas, clip: float, eps):
        self.weights, self.names, self.lr, self.clip, self.eps = weights, names, lr, clip, eps
        self.betas, self.steps = betas, 0
        self.m = {name: [0.0] * len(weights[name]) for name in names}
        self.v = {name: [0.0] * len(weights[name]) for name in names}

    def step(self, loss: Callable[[], float]) -> float:
        """Returns the norm of the gradient before it is clipped."""
        gradient: Weights = {}
        for name in self.names:
            tensor = self.weights[name]
            gradient[name] = []
            for i, value in enumerate(tensor):
                tensor[i] = value + STEP
                above = loss()
                tensor[i] = value - STEP
                gradient[name].append((above - loss()) / (2 * STEP))
                tensor[i] = value
        norm = math.sqrt(sum(g * g for values in gradient.values() for g in values))
        factor = min(1.0, self.clip / (norm + 1e-6))
        self.steps += 1
        b1, b2 = self.betas
        for name in self.names:
            for i, g in enumerate(gradient[name]):
                g *= factor
                m = self.m[name][i] = b1 * self.m[name][i] + (1 - b1) * g
                v = self.v[name][i] = b2 * self.v[name][i] + (1 - b2) * g * g
                m_hat, v_hat = m / (1 - b1**self.steps), v / (1 - b2**self.steps)
                self.weights[name][i] -= self.lr * m_hat / (math.sqrt(v_hat) + self.eps)
        return norm


class HandLearner:
    def __init__(self, config: Config, agent: Weights, target: Weights):
        self.config, self.weights = config, {k: list(v) for k, v in agent.items()}
        self.target = {k: list(v) for k, v in target.items()}
        c, w = config, self.weights
        critic = [k for k in w if k in target]
        actor = [k for k in w if k not in target and k != BASE_ALPHA]
        self.critic = Group(w, critic, c.critic_lr, c.critic_betas, c.critic_clip, c.adam_eps)
        self.actor = Group(w, actor, c.actor_lr, c.actor_betas, c.actor_clip, c.adam_eps)
        self.temperature = Group(
            w, [BASE_ALPHA], c.alpha_lr, c.alpha_betas, c.alpha_clip, c.adam_eps
        )

    def alpha(self) -> float:
        base = self.weights[BASE_ALPHA][0]
        if self.config.alpha_type == "fixed_alpha":
            return self.config.initial_alpha
        return math.exp(base) if self.config.alpha_type == "exp" else math.log1p(math.exp(base))

    def target_of(self, row: Row, alpha: float) -> float:
        c = self.config
        noise, log_p = policy(self.weights, row, "next_", row["eps_next"], c)
        found = features(self.target, "critic", row, "next_", c)
        q = aggregate(q_values(self.target, found, noise, c), c.agg_q)
        if c.backup_entropy:
            q -= alpha * log_p
        masked = row["terminated"] and c.bootstrap_type != "always"
        return row["rewards"] + (0 if masked else c.gamma ** row["steps"] * q)

    def q_of(self, row: Row, noise: list[float]) -> list[float]:
        found = features(self.weights, "critic", row, "", self.config)
        return q_values(self.weights, found, noise, self.config)

    def update(self, index: int, rows: list[Row]) -> dict[str, float]:
        c, alpha = self.config, self.alpha()
        y = [self.target_of(row, alpha) for row in rows]

        def critic_loss() -> float:
            q = [self.q_of(row, row["noise"]) for row in rows]
            return mean([(value - y[i]) ** 2 for i, values in enumerate(q) for value in values])

        metrics = {"update": index, "critic_loss": critic_loss(), "target_q": mean(y)}
        metrics["q_data"] = mean([v for row in rows for v in self.q_of(row, row["noise"])])
        metrics["critic_grad_norm"] = self.critic.step(critic_loss)

        if index >= c.train_actor_steps:
            seen = [features(self.weights, "critic", row, "", c) for row in rows]

            def actor_pass() -> tuple[list[list[float]], list[float]]:
                acted = [policy(self.weights, row, "", row["eps_pi"], c) for row in rows]
                q = [q_values(self.weights, f, noise, c) for f, (noise, _) in zip(seen, acted)]
                return q, [log_p for _, log_p in acted]

            def actor_loss() -> float:
                q, log_p = actor_pass()
                return mean([alpha * p - aggregate(v, c.actor_agg_q) for v, p in zip(q, log_p)])

            q, log_p = actor_pass()
            metrics |= {"actor_loss": actor_loss(), "entropy": -mean(log_p)}
            metrics["q_pi"] = mean([aggregate(v, c.actor_agg_q) for v in q])
            for j in range(c.num_q_heads):
                metrics[f"q_value_{j}"] = mean([v[j] for v in q])
            metrics["actor_grad_norm"] = self.actor.step(actor_loss)
            if c.alpha_type != "fixed_alpha":

                def alpha_loss() -> float:
                    return -self.alpha() * (mean(log_p) + c.target_entropy)

                metrics["alpha_loss"] = alpha_loss()
                metrics["alpha_grad_norm"] = self.temperature.step(alpha_loss)

        if index % c.target_update_freq == 0:
            for name, values in self.target.items():
                online = self.weights[name]
                self.target[name] = [
                    (1 - c.tau) * t + c.tau * o for t, o in zip(values, online)
                ]
        metrics["alpha"] = self.alpha()
        return metrics
