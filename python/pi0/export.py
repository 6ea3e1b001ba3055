"""Makes a frozen-policy folder of a published Pi0 checkpoint: python -m pi0.export --help.

`dsrl-native export pi0` runs this with a Python that has torch; no other package is imported.
Progress goes to stderr, a line of JSON on stdout names what was written. A failure that the user
can mend is one line of JSON on stderr, {"code", "message", "hint"}, and exit code 2 (3 where it is
the machine's).
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import signal
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import torch

from . import artefact, checkpoint
from .describe import describe, network_config, tokenizer_of
from .errors import ExportError
from .layouts import open_checkpoint
from .partial import partial_folder, remove_abandoned
from .progress import Progress
from .robots import ROBOTS
from .weights import load_model


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pi0.export", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="must not exist")
    parser.add_argument(
        "--dtype", choices=("bf16", "f32"), help="the checkpoint's own unless given"
    )
    parser.add_argument("--rope", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--attn", choices=("sdpa", "eager"), default="sdpa")
    parser.add_argument("--horizon", type=int)
    parser.add_argument("--num-steps", type=int)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--norm-stats", type=Path)
    parser.add_argument("--robot", choices=tuple(ROBOTS))
    parser.add_argument("--state-dim", type=int)
    parser.add_argument("--action-dim", type=int)
    parser.add_argument("--delta-actions", type=int)
    parser.add_argument("--cameras", type=cameras_option, help="main=base_0_rgb,wrist=...")
    return parser.parse_args(argv)


def cameras_option(text: str) -> dict[str, str]:
    pairs = [entry.split("=", 1) for entry in text.split(",")]
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise argparse.ArgumentTypeError("observation=original, separated by commas")
    if len(dict(pairs)) < len(pairs) or len({source for _, source in pairs}) < len(pairs):
        raise argparse.ArgumentTypeError("a camera stands twice")
    return dict(pairs)


def export(args: argparse.Namespace, argv: list[str], progress: Progress) -> dict:
    """Writes the folder, whole or not at all. Raises ExportError."""
    check_python()
    out = args.out.absolute()
    if os.path.lexists(out):
        what = f"{out} exists already"
        raise ExportError("ERR_DSRL_POLICY_EXISTS", what, "name another --out, or remove it")
    source = open_checkpoint(args.checkpoint)
    files = ", ".join(str(path.relative_to(source.folder)) for path in source.files)
    progress.decide(f"{source.layout} checkpoint: {len(source.tensors)} tensors in {files}")
    named = source.tensors
    if source.layout == "rlinf":
        named, left = checkpoint.without_rlinf_heads(named)
        if left:
            progress.decide(
                f"left out, of RLinf's training and not of the policy: {', '.join(left)}"
            )
    tensors = checkpoint.to_pi0(named)
    config = network_config(args, source, tensors, progress)
    tokenizer, tokenizer_file = tokenizer_of(args.tokenizer, source)
    policy, normalization = describe(args, source, config, tokenizer, progress)
    precision = getattr(torch, policy["precision"])
    for abandoned in remove_abandoned(out):
        progress.say(f"removed {abandoned}, which an export that was killed left")
    check_room(out.parent, sum(t.numel() for t in tensors.values()) * precision.itemsize)

    with partial_folder(out) as parts:
        model = load_model(
            tensors,
            config,
            layout=source.layout,
            precision=precision,
            rounded_rope=args.rope == "bf16",
            progress=progress,
        )
        sources = hashes(source.folder, [*source.files, *normalization.sources], progress)
        policy["provenance"] = {
            "command": ["python", "-m", "pi0.export", *argv],
            "layout": source.layout,
            "checkpoint": source.folder.resolve().name,
            "decisions": progress.decisions,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "sizes": asdict(config),
            "source_files": sources,
        }
        if tokenizer_file is not None:
            shutil.copyfile(tokenizer_file, parts / tokenizer["file"])
        progress.say("compiling and saving the program")
        digest = hashlib.sha256(json.dumps(sources, sort_keys=True).encode()).hexdigest()
        artefact.write_folder(parts, model, policy, source=digest, tick=progress.tick)
        parts.rename(out)
    progress.say(f"wrote {out}")
    return {"policy": str(out), "layout": source.layout, "precision": policy["precision"]}


def hashes(folder: Path, files: Iterable[Path], progress: Progress) -> dict[str, str]:
    progress.say("hashing the source files")
    found = {}
    for path in dict.fromkeys(files):
        inside = path.is_relative_to(folder)
        found[str(path.relative_to(folder)) if inside else path.name] = artefact.file_sha256(path)
    return found


def check_python() -> None:
    if sys.version_info < (3, 14):
        return
    raise ExportError(
        "ERR_DSRL_EXPORT_PYTHON",
        f"Python {platform.python_version()}: torch supports TorchScript up to Python 3.13",
        "type --python <a Python 3.11 - 3.13 with torch>",
    )


def check_room(parent: Path, size: int) -> None:
    """policy.pt is written twice, see artefact.save_program."""
    while not parent.exists():
        parent = parent.parent
    free = shutil.disk_usage(parent).free
    if free > 2.1 * size:
        return
    raise ExportError(
        "ERR_DSRL_EXPORT_DISK",
        f"{parent} has {free / 1e9:.1f} GB free, {2.1 * size / 1e9:.1f} GB are needed",
        "name an --out on a larger disk; half of it is free again after the export",
    )


def main(argv: list[str]) -> int:
    # Through sys.exit the partial folder is removed, as on Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        print(json.dumps(export(parse(argv), argv, Progress())))
        return 0
    except ExportError as error:
        failure = error
    except OSError as error:  # no permission, a disk that became full, a name that is too long
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        hint = "make --checkpoint readable and the folder of --out writable, or name others"
        failure = ExportError("ERR_DSRL_EXPORT_FILES", what, hint)
    except KeyboardInterrupt:
        return 130
    line = {"code": failure.code, "message": failure.message, "hint": failure.hint}
    print(json.dumps(line), file=sys.stderr, flush=True)
    return 3 if failure.code.startswith("ERR_DSRL_EXPORT_") else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
