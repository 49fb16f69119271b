"""One posed mesh as text (Wavefront OBJ) or as bytes (PLY), in metres and in the head frame's axes."""

import numpy as np
import torch
from numpy.typing import NDArray

from models.head import Head
from models.skinning import vertex_normals

Floats = NDArray[np.float32]


def obj_text(head: Head, vertices: Floats) -> str:
    """Vertices [V, 3] of that head with their colours, texture coordinates, triangles. OBJ's v points up."""
    colours = _encoded(head.colours.numpy())
    points = "\n".join("v {:.6f} {:.6f} {:.6f} {:.4f} {:.4f} {:.4f}".format(*row) for row in np.c_[vertices, colours])
    uvs = head.uvs.numpy() * (1, -1) + (0, 1)
    coordinates = "\n".join("vt {:.6f} {:.6f}".format(*row) for row in uvs)
    corners = np.stack([head.triangles.numpy(), head.uv_triangles.numpy()], 2).reshape(-1, 6) + 1
    faces = "\n".join("f {}/{} {}/{} {}/{}".format(*row) for row in corners.tolist())
    return f"# {head.name}: metres, y up, z out of the face\n{points}\n{coordinates}\n{faces}\n"


def ply_bytes(head: Head, vertices: Floats) -> bytes:
    """Binary, little-endian: positions, normals, colours (sRGB), triangles."""
    rows = np.zeros(
        len(vertices),
        [
            *((name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")),
            *((n, "u1") for n in ("red", "green", "blue")),
        ],
    )
    normals = vertex_normals(torch.from_numpy(np.ascontiguousarray(vertices)), head.triangles).numpy()
    colours = np.round(255 * _encoded(head.colours.numpy()))
    for names, values in (
        (("x", "y", "z"), vertices),
        (("nx", "ny", "nz"), normals),
        (("red", "green", "blue"), colours),
    ):
        for column, name in enumerate(names):
            rows[name] = values[:, column]
    faces = np.zeros(len(head.triangles), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, head.triangles.numpy()
    types = {"f": "float", "u": "uchar"}
    properties = [f"property {types[rows.dtype[name].kind]} {name}" for name in rows.dtype.names or ()]
    header = ("ply", "format binary_little_endian 1.0", f"comment {head.name}: metres", f"element vertex {len(rows)}",
              *properties, f"element face {len(faces)}", "property list uchar int vertex_indices",
              "end_header", "")  # fmt: skip
    return "\n".join(header).encode("ascii", "replace") + rows.tobytes() + faces.tobytes()


def _encoded(linear: Floats) -> Floats:
    """Linear light to sRGB, 0 to 1."""
    c = linear.clip(0, 1)
    return np.asarray(np.where(c <= 0.0031308, 12.92 * c, 1.055 * c ** (1 / 2.4) - 0.055), np.float32)
