"""The steps in LeRobot's policy_preprocessor.json and policy_postprocessor.json."""

from dataclasses import dataclass
from pathlib import Path

from .layouts import read_json
from .safetensors_file import damaged


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


def find_step(path: Path, name: str) -> Step | None:
    """A step by its registered name; None where the file or the step is not there."""
    if not path.is_file():
        return None
    steps = read_json(path).get("steps")
    if not isinstance(steps, list):
        raise damaged(path, "it has no list of `steps`")
    for step in steps:
        if not isinstance(step, dict) or step.get("registry_name") != name:
            continue
        config, state_file = step.get("config") or {}, step.get("state_file")
        if not isinstance(config, dict) or not isinstance(state_file, str | None):
            raise damaged(path, f"the step {name} is malformed")
        return Step(path, name, config, state_file)
    return None
