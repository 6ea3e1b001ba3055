"""The scene as files: the XML that the original compiles, with its assets beside it."""

import re
import shutil
from pathlib import Path

# Assets are named by what follows the last folder `assets`; robosuite's get a folder of their own.
_ROOT = re.compile(r"^.*?(/robosuite/models)?/assets/(.*)$")
_FILE = re.compile(r'\bfile="([^"]+)"')


def relative_name(path: str) -> str:
    """/x/libero/assets/textures/a.png -> assets/textures/a.png"""
    normal = str(Path(path).resolve())
    match = _ROOT.match(normal)
    if match is None:
        raise ValueError(f"an asset outside of any assets folder: {path}")
    return f"assets/{'robosuite/' if match[1] else ''}{match[2]}"


def write_scene(xml: str, folder: Path) -> None:
    """Writes folder/scene.xml and folder/assets/**."""
    copied: dict[str, str] = {}

    def rename(match: re.Match) -> str:
        source, name = str(Path(match[1]).resolve()), relative_name(match[1])
        if copied.setdefault(name, source) != source:
            raise ValueError(f"two assets would be named {name}: {source} and {copied[name]}")
        return f'file="{name}"'

    # meshdir would be put before the mesh files' names and not before the textures'.
    text = _FILE.sub(rename, xml).replace(' meshdir="meshes/"', "")
    for name, source in copied.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    (folder / "scene.xml").write_text(text)


def set_site_alpha(xml: str, site: str, alpha: float) -> str:
    """The XML with the last number of the site's rgba replaced."""

    def replace(match: re.Match) -> str:
        red, green, blue, _ = match[2].split()
        return f"{match[1]}{red} {green} {blue} {alpha:g}{match[3]}"

    pattern = re.compile(rf'(<site\b(?=[^>]*\bname="{re.escape(site)}")[^>]*\brgba=")([^"]+)(")')
    result, count = pattern.subn(replace, xml)
    if count != 1:
        raise ValueError(f"the scene has {count} sites '{site}' with a colour, not one")
    return result
