"""The reduced scene (`env.*.lod`): fewer triangles and smaller textures, the physics untouched.

Only meshes that nothing but visible geoms use are reduced; those geoms touch nothing and weigh
nothing. Drawing on a CPU is bound by vertices, and an agent's frame has 64 x 64 pixels.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mesh_files import Mesh, compiled_mesh, weld, write_msh
from textures import shrink_textures

TRIANGLES = 20_000
# A larger surface than the robot's largest link is furniture; it needs no triangles of its size.
LARGEST_AREA = 0.4
# What the wrist camera sees from a hand's breadth counts as if it were larger.
NEAR = ("akita_black_bowl", "plate_1", "cookies_1", "ramekin")
NEAR_FACTOR = 1.6
FEWEST = 12
NEIGHBOURS = 24


def reduce_scene(bundle: Path, folder: Path, say: Callable[[str], None]) -> None:
    """Writes folder/scene.xml and its assets; files that are not reduced are the bundle's own."""
    import mujoco

    xml = (bundle / "scene.xml").read_text()
    model = mujoco.MjModel.from_xml_path(str(bundle / "scene.xml"))
    targets = triangle_targets(model)
    say(f"reducing {len(targets)} visible meshes to about {TRIANGLES:,} triangles")
    total = 0
    for index, target in targets.items():
        name = model.mesh(index).name
        whole = compiled_mesh(model, index)
        reduced = reduce_mesh(whole, target, textured=is_textured(model, index))

        write_msh(folder / "meshes" / f"{name}.msh", reduced)
        total += len(reduced.faces) * len(users(model, index))
        xml = use_mesh(xml, name)
    say(f"{total:,} triangles")
    xml = _outer_files(shrink_textures(xml, model, bundle, folder))
    (folder / "scene.xml").write_text(fix_statistics(xml, model))


def users(model, mesh: int) -> list[int]:
    """The geoms that show a mesh."""
    is_mesh = model.geom_type == 7  # mjGEOM_MESH
    return np.flatnonzero(is_mesh & (model.geom_dataid == mesh)).tolist()


def is_textured(model, mesh: int) -> bool:
    materials = [model.geom_matid[geom] for geom in users(model, mesh)]
    return any(m >= 0 and (model.mat_texid[m] >= 0).any() for m in materials)


def triangle_targets(model) -> dict[int, int]:
    """Mesh -> triangles it may keep: by the square root of its area, so that the error of a curved
    surface is about the same everywhere."""
    weights, counts = {}, {}
    for mesh in range(model.nmesh):
        shown = users(model, mesh)
        if not shown or not all(is_only_visible(model, geom) for geom in shown):
            continue
        near = any(word in model.mesh(mesh).name for word in NEAR)
        whole = compiled_mesh(model, mesh)
        size = np.sqrt(min(area(whole.vertices[whole.faces]), LARGEST_AREA))
        weights[mesh] = size * (NEAR_FACTOR if near else 1)
        counts[mesh] = (int(model.mesh_facenum[mesh]), len(shown))
    # A mesh that is small already leaves its share to the others: raise the scale until it fits.
    low, high = 0.0, 1e7
    for _ in range(60):
        scale = (low + high) / 2
        targets = {m: int(np.clip(scale * w, FEWEST, counts[m][0])) for m, w in weights.items()}
        total = sum(target * counts[mesh][1] for mesh, target in targets.items())
        low, high = (scale, high) if total < TRIANGLES else (low, scale)
    return targets


def is_only_visible(model, geom: int) -> bool:
    touches = model.geom_contype[geom] or model.geom_conaffinity[geom]
    return model.geom_group[geom] == 1 and not touches


def reduce_mesh(mesh: Mesh, target: int, textured: bool) -> Mesh:
    """At most about `target` triangles; normals and uvs are those of the nearest surface."""
    whole = weld(mesh)
    if not textured:
        whole.uvs = None
    if len(whole.faces) <= target:
        return whole
    vertices, faces = simplify(whole.vertices, whole.faces, target)
    return transfer_looks(whole, vertices, faces)


def simplify(
    vertices: np.ndarray, faces: np.ndarray, target: int
) -> tuple[np.ndarray, np.ndarray]:
    """Quadric decimation. It keeps the border of every part; a mesh of many open parts stays far
    above the target, and is then put on a grid, coarser and coarser, until it does not."""
    import fast_simplification

    grid = 0.002
    while len(faces) > target:
        points, triangles = fast_simplification.simplify(
            vertices.astype(np.float32), faces.astype(np.int32), target_count=target, agg=5
        )
        if len(triangles) <= 1.5 * target:
            return points.astype(np.float64), triangles
        cells = np.round(vertices / grid)
        _, first, which = np.unique(cells, axis=0, return_index=True, return_inverse=True)
        faces = which.reshape(-1)[faces]
        proper = [len(set(face)) == 3 for face in faces.tolist()]
        vertices, faces = vertices[first], np.unique(faces[proper], axis=0)
        grid *= 1.5
    return vertices, faces


def transfer_looks(whole: Mesh, vertices: np.ndarray, faces: np.ndarray) -> Mesh:
    """For each corner of the reduced mesh the normal and uv of the nearest point of the original,
    on its own side of a thin wall and on its face's side of a texture's seam."""
    corners = vertices[faces]
    middle = corners.mean(1)
    facing = unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    search = Nearest(whole)
    normals, uvs = np.zeros((len(faces), 3, 3)), None
    if whole.uvs is not None:
        uvs = np.zeros((len(faces), 3, 2))
        triangle, weights = search.find(middle, facing)
        seam_side = (weights[:, :, None] * whole.uvs[triangle]).sum(1)
    for corner in range(3):
        points = corners[:, corner]
        jump = None
        if uvs is not None:
            jump = (seam_side, np.linalg.norm(points - middle, axis=1))
        triangle, weights = search.find(points, facing, jump)
        normals[:, corner] = unit((weights[:, :, None] * whole.normals[triangle]).sum(1))
        if uvs is not None:
            uvs[:, corner] = (weights[:, :, None] * whole.uvs[triangle]).sum(1)
    return Mesh(vertices, faces, normals, uvs)


class Nearest:
    """The nearest triangle of a mesh among those whose middles are near."""

    def __init__(self, mesh: Mesh) -> None:
        from scipy.spatial import cKDTree

        self._corners, self._uvs = mesh.vertices[mesh.faces], mesh.uvs
        self._facing = unit(np.cross(*(self._corners[:, k] - self._corners[:, 0] for k in (1, 2))))
        self._tree = cKDTree(self._corners.mean(1))
        self._size = np.linalg.norm(np.ptp(mesh.vertices, axis=0))
        if mesh.uvs is not None:
            self._metres_per_uv = np.sqrt(area(self._corners) / area(mesh.uvs))

    def find(
        self,
        points: np.ndarray,
        facing: np.ndarray,
        jump: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """(triangle [P], barycentric weights [P, 3]).

        One that faces elsewhere counts as farther away. jump: the uv of a point that belongs
        together with each point, and their distance; a triangle whose uv is much farther off than
        that lies behind a seam, and counts as farther away too.
        """
        count = min(NEIGHBOURS, len(self._corners))
        _, near = self._tree.query(points, k=count)
        near = near.reshape(len(points), count)
        weights = closest_weights(points[:, None], self._corners[near])
        closest = (weights[..., None] * self._corners[near]).sum(2)
        far = np.linalg.norm(points[:, None] - closest, axis=2)
        far += 0.03 * self._size * (1 - (self._facing[near] * facing[:, None]).sum(2))
        if jump is not None:
            uv = (weights[..., None] * self._uvs[near]).sum(2)
            apart = np.linalg.norm(uv - jump[0][:, None], axis=2) * self._metres_per_uv
            far += np.maximum(apart - 2 * jump[1][:, None], 0)
        best = far.argmin(1)
        rows = np.arange(len(points))
        return near[rows, best], weights[rows, best]


def area(corners: np.ndarray) -> float:
    """Of all triangles [F, 3, 2 or 3] together."""
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    squared = (ab * ab).sum(1) * (ac * ac).sum(1) - (ab * ac).sum(1) ** 2
    return float(np.sqrt(np.maximum(squared, 0)).sum() / 2)


def closest_weights(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Barycentric weights [..., 3] of about the closest point of each triangle [..., 3, 3]: the
    projection on its plane, pulled into the triangle. Exact inside, near enough at its border."""
    ab, ac = corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]
    ap = points - corners[..., 0, :]
    dot = lambda u, v: (u * v).sum(-1)  # noqa: E731
    bb, cc, bc, pb, pc = dot(ab, ab), dot(ac, ac), dot(ab, ac), dot(ap, ab), dot(ap, ac)
    scale = np.maximum(bb * cc - bc * bc, 1e-30)
    v, w = (cc * pb - bc * pc) / scale, (bb * pc - bc * pb) / scale
    weights = np.clip(np.stack([1 - v - w, v, w], -1), 0, None)
    return weights / weights.sum(-1, keepdims=True)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _outer_files(xml: str) -> str:
    return xml.replace('file="assets/', 'file="../assets/')


def use_mesh(xml: str, name: str) -> str:
    """The XML with a mesh's file replaced by the reduced one, which has its scale applied."""
    pattern = re.compile(rf'<mesh\b[^>]*\bname="{re.escape(name)}"[^>]*/>')
    result, count = pattern.subn(f'<mesh name="{name}" file="meshes/{name}.msh" />', xml)
    if count != 1:
        raise ValueError(f"the scene has {count} meshes '{name}', not one")
    return result


def fix_statistics(xml: str, model) -> str:
    """MuJoCo derives the clipping planes and the light from the scene's extent, and that from the
    meshes: the true scene's figures keep both scenes comparable."""
    centre = " ".join(f"{x:.17g}" for x in model.stat.center)
    extent, size = f"{model.stat.extent:.17g}", f"{model.stat.meansize:.17g}"
    line = f'<statistic extent="{extent}" center="{centre}" meansize="{size}" />'
    return xml.replace("</mujoco>", f"  {line}\n</mujoco>")
