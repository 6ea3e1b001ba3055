"""The steps in LeRobot's policy_preprocessor.json and policy_postprocessor.json."""

from dataclasses import dataclass
from pathlib import Path

from .layouts import POSTPROCESSOR, PREPROCESSOR, read_json, refusal
from .safetensors_file import damaged

# LeRobot's own for pi0 (policies/pi0/processor_pi0.py); what they do stands in policy.json.
KNOWN = {
    PREPROCESSOR: {
        "rename_observations_processor",
        "to_batch_processor",
        "pi0_new_line_processor",
        "tokenizer_processor",
        "device_processor",
        "relative_actions_processor",
        "normalizer_processor",
    },
    POSTPROCESSOR: {"unnormalizer_processor", "absolute_actions_processor", "device_processor"},
}


@dataclass(frozen=True)
class Step:
    path: Path  # the file that it stands in
    name: str
    config: dict
    state_file: str | None

    def value(self, key: str, kind: type, default: object) -> object:
        """An entry of the configuration; null counts as absent.

        Raises ExportError ERR_DSRL_POLICY_DAMAGED where it is of another kind.
        """
        value = self.config.get(key)
        if value is None:
            return default
        if not isinstance(value, kind) or isinstance(value, bool) and kind is not bool:
            raise damaged(self.path, f"`{key}` of {self.name} is {value}")
        return value


def refuse_other_steps(folder: Path) -> None:
    """What a step does that is not known here would be left out, and the actions be others.

    Raises ExportError ERR_DSRL_POLICY_LAYOUT that names them all, ERR_DSRL_POLICY_DAMAGED.
    """
    for file, known in KNOWN.items():
        names = [str(s.get("registry_name") or s.get("class")) for s in steps_of(folder / file)]
        others = [name for name in names if name not in known]
        if others:
            raise refusal(
                f"{folder / file}: it has steps that pi0 does not have: {', '.join(others)}",
                "take out of the file those without which the policy is the same; what the others "
                "do cannot be exported",
            )


def steps_of(path: Path) -> list[dict]:
    """Empty where the file is not there."""
    if not path.is_file():
        return []
    steps = read_json(path).get("steps")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise damaged(path, "it has no list of `steps`")
    return steps


def find_step(path: Path, name: str) -> Step | None:
    """A step by its registered name; None where the file or the step is not there."""
    for step in steps_of(path):
        if step.get("registry_name") != name:
            continue
        config, state_file = step.get("config") or {}, step.get("state_file")
        if not isinstance(config, dict) or not isinstance(state_file, str | None):
            raise damaged(path, f"the step {name} is malformed")
        return Step(path, name, config, state_file)
    return None
