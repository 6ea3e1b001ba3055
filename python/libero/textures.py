"""Textures scaled down for the reduced scene."""

import re
from pathlib import Path

import numpy as np

from mesh_files import compiled_mesh

TEXTURE_SIDE = 1024


def shrink_textures(xml: str, model, bundle: Path, folder: Path) -> str:
    """Writes the smaller pictures into folder/textures and returns the XML that names them.

    The triangles of a reduced mesh are large: at a seam they reach beyond the piece of the texture
    that their surface uses, where the picture is black. What no mesh uses is filled with the
    nearest colour in use, or every seam would show as a dark crack.
    """
    from PIL import Image

    pattern = r'<texture\b(?=[^>]*\bfile="(assets/[^"]+)")[^>]*\bname="([^"]+)"'
    names: dict[str, list[str]] = {}
    for file, texture in re.findall(pattern, xml):
        names.setdefault(file, []).append(texture)
    for file, textures in sorted(names.items()):
        with Image.open(bundle / file) as image:
            picture = image.convert("RGB")
        uvs = [uv for texture in textures for uv in mesh_uvs(model, texture)]
        if uvs:
            picture = fill_unused(picture, np.concatenate(uvs))
        elif max(picture.size) <= TEXTURE_SIDE:
            continue
        picture.thumbnail((TEXTURE_SIDE, TEXTURE_SIDE), Image.Resampling.LANCZOS)
        name = "textures/" + file.removeprefix("assets/").replace("/", "-")
        (folder / "textures").mkdir(exist_ok=True)
        picture.save(folder / name)
        xml = xml.replace(f'file="{file}"', f'file="{name}"')
    return xml


def mesh_uvs(model, texture: str) -> list[np.ndarray]:
    """The uvs [F, 3, 2] of the meshes that wear a texture; none for a plane or a box."""
    index = model.texture(texture).id
    materials = np.flatnonzero((model.mat_texid == index).any(1))
    geoms = np.flatnonzero((model.geom_type == 7) & np.isin(model.geom_matid, materials))
    meshes = [compiled_mesh(model, model.geom_dataid[geom]) for geom in geoms]
    return [mesh.uvs for mesh in meshes if mesh.uvs is not None]


def fill_unused(picture, uvs: np.ndarray):
    """The picture with every texel outside of the triangles [F, 3, 2] as the nearest one inside.
    A texture that is repeated (uvs outside 0..1) is used everywhere and stays as it is."""
    from PIL import Image, ImageDraw
    from scipy.ndimage import distance_transform_edt

    if uvs.min() < -0.01 or uvs.max() > 1.01:
        return picture
    picture.thumbnail((2 * TEXTURE_SIDE, 2 * TEXTURE_SIDE), Image.Resampling.LANCZOS)
    mask = Image.new("1", picture.size)
    draw = ImageDraw.Draw(mask)
    for triangle in uvs * picture.size:
        draw.polygon([tuple(corner) for corner in triangle], fill=1)
    used = np.array(mask)
    used[1:-1, 1:-1] &= used[:-2, 1:-1] & used[2:, 1:-1] & used[1:-1, :-2] & used[1:-1, 2:]
    if not used.any():
        return picture
    rows, columns = distance_transform_edt(~used, return_distances=False, return_indices=True)
    return Image.fromarray(np.asarray(picture)[rows, columns])
