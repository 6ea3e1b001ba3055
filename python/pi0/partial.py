"""The folder beside --out in which a policy is written until it is whole."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

SUFFIX = ".partial"


@contextlib.contextmanager
def partial_folder(out: Path) -> Iterator[Path]:
    """A new folder beside `out`; the caller renames it to `out`, otherwise it is removed.

    It is held by a lock, which the system lets go with the process that took it: the process id in
    its name may belong to another program later.
    """
    parts = out.with_name(f"{prefix(out)}{os.getpid()}{SUFFIX}")
    parts.mkdir(parents=True)
    held = lock(parts)
    try:
        yield parts
    finally:
        shutil.rmtree(parts, ignore_errors=True)
        if held is not None:
            os.close(held)


def remove_abandoned(out: Path) -> list[Path]:
    """Removes what exports to `out` left when they were killed: it may be gigabytes. Names it."""
    removed: list[Path] = []
    if not out.parent.is_dir():
        return removed
    for parts in sorted(out.parent.iterdir()):
        between = parts.name.removeprefix(prefix(out)).removesuffix(SUFFIX)
        if parts.name != f"{prefix(out)}{between}{SUFFIX}" or not between.isdigit():
            continue
        if parts.is_symlink() or not parts.is_dir():
            continue
        held = lock(parts)
        if held is None:
            continue
        shutil.rmtree(parts, ignore_errors=True)
        os.close(held)
        removed.append(parts)
    return removed


def prefix(out: Path) -> str:
    return f".{out.name}."


def lock(folder: Path) -> int | None:
    """A descriptor that holds the folder; None if it cannot be held: another process does."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # it has just been renamed or removed
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
