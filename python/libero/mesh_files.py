"""Triangle meshes as MuJoCo compiled them, and as the .msh files that it reads."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass
class Mesh:
    """Corners carry the surface's look: a vertex on a seam has several normals and uvs."""

    vertices: np.ndarray  # [V, 3] metres, in the frame of the mesh's file
    faces: np.ndarray  # [F, 3] int
    normals: np.ndarray  # [F, 3, 3], one a corner
    uvs: np.ndarray | None  # [F, 3, 2], one a corner; None: no texture


def compiled_mesh(model, index: int) -> Mesh:
    """A mesh of a compiled model. MuJoCo has scaled it, moved it to its centre of mass and turned
    it to its principal axes; the last two are undone, the scale stays."""

    def rows(kind: str, count: str) -> np.ndarray:
        start, number = getattr(model, kind)[index], getattr(model, count)[index]
        return np.arange(start, start + number)

    faces = rows("mesh_faceadr", "mesh_facenum")
    vertices = model.mesh_vert[rows("mesh_vertadr", "mesh_vertnum")].astype(np.float64)
    normals = model.mesh_normal[rows("mesh_normaladr", "mesh_normalnum")].astype(np.float64)
    turn = rotation(model.mesh_quat[index])
    uvs = None
    if model.mesh_texcoordadr[index] >= 0:
        all_uvs = model.mesh_texcoord[rows("mesh_texcoordadr", "mesh_texcoordnum")]
        uvs = all_uvs[model.mesh_facetexcoord[faces]].astype(np.float64)
    return Mesh(
        vertices @ turn.T + model.mesh_pos[index],
        model.mesh_face[faces].copy(),
        (normals @ turn.T)[model.mesh_facenormal[faces]],
        uvs,
    )


def rotation(quat: np.ndarray) -> np.ndarray:
    """wxyz -> 3x3"""
    import mujoco

    flat = np.zeros(9)
    mujoco.mju_quat2Mat(flat, quat)
    return flat.reshape(3, 3)


def weld(mesh: Mesh) -> Mesh:
    """The same surface with one vertex a position: files split vertices where looks differ."""
    _, first, which = np.unique(
        np.round(mesh.vertices, 7), axis=0, return_index=True, return_inverse=True
    )
    faces = which.reshape(-1)[mesh.faces]
    proper = (
        (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    )
    uvs = None if mesh.uvs is None else mesh.uvs[proper]
    return Mesh(mesh.vertices[first], faces[proper], mesh.normals[proper], uvs)


def write_msh(path: Path, mesh: Mesh) -> None:
    """MuJoCo's own binary format: counts, then vertices, normals, uvs and faces. It knows one
    normal and one uv a vertex, so corners that differ become vertices of their own."""
    parts = [mesh.vertices[mesh.faces], mesh.normals]
    if mesh.uvs is not None:
        parts.append(mesh.uvs)
    corners = np.concatenate(parts, axis=2).reshape(len(mesh.faces) * 3, -1).astype("<f4")
    table, which = np.unique(corners, axis=0, return_inverse=True)
    uvs = table[:, 6:]
    counts = (len(table), len(table), len(uvs) if uvs.size else 0, len(mesh.faces))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<4i", *counts))
        for block in (table[:, :3], table[:, 3:6], uvs):
            file.write(np.ascontiguousarray(block).tobytes())
        file.write(which.reshape(-1, 3).astype("<i4").tobytes())
