"""Files with exactly FLAME's keys, shapes, types and class paths, around an ellipsoid or Mien's own head resampled.

`old_pickle` writes what FLAME 2019 and 2020 are: Python 2's protocol and strings, chumpy arrays, scipy's old path.
`open_pickle` writes what 2023 Open is: today's protocol and paths. Nothing of FLAME itself is in here.
"""

import io
import pickle
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, cKDTree

from models.flame import LEFT_IRIS, RIGHT_IRIS
from models.head import Head

Array = NDArray[Any]
FACE, EYEBALL = 3931, 546  # vertices; two eyeballs follow the rest: 5023 in all
TRIANGLES = 9976
EYES = ((0.032, 0.023, 0.078), (-0.032, 0.023, 0.078))


def flame_like(seed: int = 0, moves: str = "all", skin: Head | None = None) -> dict[str, object]:
    """The keys of a FLAME model, its shape an ellipsoid or that of `skin`.

    `moves` is what expressions reach: "all" vertices, or the "face" as in 2019.
    """
    random = np.random.default_rng(seed)
    template, triangles = _mesh() if skin is None else _resampled(skin)
    shapes = _smooth_shapes(template, 400, random)
    if moves == "face":
        shapes[:, :, 300:] *= (template[:, 2] > 0.02)[:, None, None]
    weights = _weights(template)
    regressor = _regressor(template)
    return {
        "v_template": template,
        "f": triangles.astype(np.uint32),
        "shapedirs": shapes,
        "posedirs": 1e-4 * random.standard_normal((len(template), 3, 36)),
        "J_regressor": scipy.sparse.csc_matrix(regressor),
        "J": regressor @ template,
        "kintree_table": np.array(((4294967295, 0, 1, 1, 1), (0, 1, 2, 3, 4)), np.int64),
        "weights": weights,
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def old_pickle(values: Mapping[str, object]) -> bytes:
    """As Python 2 wrote it, the shapes inside a chumpy array."""
    with _chumpy() as chumpy_array:
        wrapped = {key: chumpy_array(value) if key == "shapedirs" else value for key, value in values.items()}
        stream = io.BytesIO()
        _Python2Pickler(stream, protocol=2).dump(wrapped)
    data = stream.getvalue().replace(b"cscipy.sparse._csc\n", b"cscipy.sparse.csc\n")
    return data.replace(b"cnumpy._core.", b"cnumpy.core.")


def open_pickle(values: Mapping[str, object]) -> bytes:
    metadata = {"expr_source": "SUPR_head", "supr_gender": "male", "expr_components": "last_100", "n_expr": 100}
    return pickle.dumps({**values, "supr_expression_metadata": metadata}, protocol=5)


def write_npz(path: Path, values: Mapping[str, object], parts: bool = False) -> None:
    """A conversion: the joint regressor dense, or in the parts of its sparse form."""
    plain = {key: value for key, value in values.items() if key != "J_regressor"}
    sparse: Any = values["J_regressor"]
    if parts:
        plain |= {f"J_regressor_{name}": getattr(sparse, name) for name in ("data", "indices", "indptr", "shape")}
    else:
        plain["J_regressor"] = sparse.toarray()
    np.savez(path, **plain)  # type: ignore[arg-type]


def write_companions(folder: Path, values: Mapping[str, object], landmarks: int = 105, seed: int = 0) -> None:
    """Every file that may stand beside a model. The first `landmarks` of the 478 are in the MediaPipe embedding."""
    random = np.random.default_rng(seed)
    np.savez(
        folder / "mediapipe_landmark_embedding.npz",
        landmark_indices=np.arange(landmarks),
        lmk_face_idx=random.integers(0, TRIANGLES, landmarks).astype(np.uint32),
        lmk_b_coords=random.dirichlet((1, 1, 1), landmarks),
    )
    contour = landmark_embedding(random)
    np.save(folder / "landmark_embedding.npy", contour, allow_pickle=True)  # type: ignore[arg-type]
    template: Any = values["v_template"]
    for name, eye in zip(("l_eyelid.npy", "r_eyelid.npy"), EYES, strict=True):
        near = np.exp(-(np.linalg.norm(template - np.array(eye), axis=1) ** 2) / 0.01**2)
        np.save(folder / name, near[:, None] * np.array((0, -0.009, 0)))
    regions = {"face": np.flatnonzero(template[:, 2] > 0.03), "neck": np.arange(20), "lips": np.arange(40, 60)}
    (folder / "FLAME_masks.pkl").write_bytes(pickle.dumps(regions, protocol=2))
    write_uv_template(folder / "head_template.obj", values)


def landmark_embedding(random: np.random.Generator) -> dict[str, object]:
    """DECA's dictionary: the dynamic contour's two arrays are torch tensors."""

    def corners(*size: int) -> Array:
        return random.dirichlet((1, 1, 1), size)

    return {
        "static_lmk_faces_idx": random.integers(0, TRIANGLES, 51),
        "static_lmk_bary_coords": corners(51),
        "dynamic_lmk_faces_idx": torch.from_numpy(random.integers(0, TRIANGLES, (79, 17))),
        "dynamic_lmk_bary_coords": torch.from_numpy(corners(79, 17)),
        "full_lmk_faces_idx": random.integers(0, TRIANGLES, (1, 68)),
        "full_lmk_bary_coords": corners(1, 68).astype(np.float32),
    }


def write_uv_template(path: Path, values: Mapping[str, object]) -> None:
    template: Any = values["v_template"]
    triangles: Any = values["f"]
    lines = ["mtllib template.mtl", *(f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in template * 10)]
    lines += [f"vt {0.5 + 3 * x:.6f} {0.5 + 3 * y:.6f}" for x, y, _ in template]
    lines += [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in triangles.astype(int) + 1]
    path.write_text("\n".join(lines) + "\n")


# The procedural head.


def _mesh() -> tuple[Array, Array]:
    head, head_triangles = _ball(FACE)
    lowest = np.argsort(head[head_triangles, 1].max(1))
    open_neck = np.delete(head_triangles, lowest[: _surplus(head_triangles)], 0)
    return _with_eyeballs(head * (0.075, 0.11, 0.095), open_neck, EYES, 0.012)


def _surplus(triangles: Array) -> int:
    """How many triangles of the skin are too many for FLAME."""
    return len(triangles) + 2 * (2 * EYEBALL - 4) - TRIANGLES


def _with_eyeballs(skin: Array, triangles: Array, centres: Any, radius: float) -> tuple[Array, Array]:
    parts, faces = [skin], [triangles]
    for number, (centre, iris) in enumerate(zip(centres, (LEFT_IRIS, RIGHT_IRIS), strict=True)):
        ball, ball_triangles = _eyeball([vertex - FACE - number * EYEBALL for vertex in iris])
        parts.append(ball * radius + centre)
        faces.append(ball_triangles + FACE + number * EYEBALL)
    return np.concatenate(parts), np.concatenate(faces)


def _eyeball(iris: list[int]) -> tuple[Array, Array]:
    """A unit ball that looks along z, its iris points (centre, +x, up, -x, down) at the given places in the list."""
    points, triangles = _ball(EYEBALL)
    points, triangles = points[:, [0, 2, 1]], triangles[:, ::-1]  # a pole of the spiral is the pupil
    rim = np.sin(np.radians(29.0))
    order = np.arange(EYEBALL)
    for place, (x, y) in zip(iris, ((0, 0), (rim, 0), (0, rim), (-rim, 0), (0, -rim)), strict=True):
        wanted = np.array((x, y, np.sqrt(1 - x * x - y * y)))
        nearest = int(np.argmin(np.linalg.norm(points[order] - wanted, axis=1)))
        order[[place, nearest]] = order[[nearest, place]]
    renumber = np.argsort(order)
    return points[order], renumber[triangles]


def _resampled(head: Head) -> tuple[Array, Array]:
    """The head's outer skin at FLAME's number of vertices, denser in front, with openings before the eyeballs."""
    inner = ("mouth_bag", "gums", "tongue", "teeth_upper", "teeth_lower")
    sides = tuple(f"{part}_{side}" for part in ("eyeball", "socket", "nostril_passage") for side in ("left", "right"))
    outer = np.ones(head.vertex_count, bool)
    for name in (*inner, *sides):
        outer[head.regions[name]] = False
    centre = np.array((0.0, 0.0, 0.01))
    arms = head.template.double().numpy()[outer] - centre
    reach = np.linalg.norm(arms, axis=1)
    ball, triangles = _ball(FACE)
    rays = _denser_in_front(ball)
    away, nearest = (np.asarray(found) for found in cKDTree(arms / reach[:, None]).query(rays, 3))
    share = 1 / (away + 1e-3)
    skin = centre + rays * ((reach[nearest] * share).sum(1) / share.sum(1))[:, None]
    eyes = (head.joint_regressor @ head.template)[3:].double().numpy()
    radius = float(np.linalg.norm(head.template[head.regions["eyeball_left"]].numpy() - eyes[0], axis=1).mean())
    opened = _surplus(triangles) // 2
    for eye in eyes:
        off = skin[triangles].mean(1) - eye - np.array((0, 0, radius))
        nearest_to_eye = np.argsort(np.linalg.norm(off * (0.4, 1.0, 0.4), axis=1))
        triangles = np.delete(triangles, nearest_to_eye[:opened], 0)
    return _with_eyeballs(skin, triangles, eyes, radius)


def _denser_in_front(ball: Array) -> Array:
    from_front = np.arccos(np.clip(ball[:, 2], -1, 1))
    around, denser = np.arctan2(ball[:, 1], ball[:, 0]), np.pi * (from_front / np.pi) ** 1.5
    return np.stack((np.sin(denser) * np.cos(around), np.sin(denser) * np.sin(around), np.cos(denser)), 1)


def _ball(count: int) -> tuple[Array, Array]:
    """A unit ball of `count` vertices in a spiral, triangles counter-clockwise from outside."""
    k = np.arange(count) + 0.5
    y, turn = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    points = np.stack((np.sqrt(1 - y * y) * np.cos(turn), y, np.sqrt(1 - y * y) * np.sin(turn)), 1)
    triangles = ConvexHull(points).simplices.astype(np.int64)
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    inward = (np.cross(b - a, c - a) * a).sum(1) < 0
    triangles[inward] = triangles[inward][:, ::-1]
    return points, triangles


def _smooth_shapes(template: Array, count: int, random: np.random.Generator) -> Array:
    waves = random.standard_normal((3, count)) * 30
    pattern = np.cos(template @ waves + random.uniform(0, 6.28, count))  # [V, count]
    directions = random.standard_normal((3, count)) * 0.002
    return np.ascontiguousarray(pattern[:, None, :] * directions[None])


def _weights(template: Array) -> Array:
    weights = np.zeros((len(template), 5))
    jaw = 0.8 / (1 + np.exp((template[:, 1] + 0.04) / 0.01)) * (template[:, 2] > 0)
    weights[:, 2], weights[:, 1] = jaw, 1 - jaw
    for eye, joint in enumerate((3, 4)):
        weights[FACE + eye * EYEBALL : FACE + (eye + 1) * EYEBALL] = np.eye(5)[joint]
    return weights


def _regressor(template: Array) -> Array:
    rows = np.zeros((5, len(template)))
    for joint, place in enumerate(((0, -0.1, -0.08), (0, -0.01, -0.05), (0, -0.015, -0.06), *EYES)):
        nearest = np.argsort(np.linalg.norm(template - np.array(place), axis=1))[:30]
        rows[joint, nearest] = 1 / 30
    return rows


# Python 2's way of writing.


_Pickler: Any = pickle._Pickler  # the one in Python, whose methods can be replaced


class _Python2Pickler(_Pickler):  # type: ignore[misc]
    """Text and bytes are both Python 2's `str`, which newer protocols do not write any more."""

    dispatch: ClassVar[dict[type, Any]] = dict(_Pickler.dispatch)

    def save_text(self, value: str | bytes) -> None:
        raw = value.encode("latin-1") if isinstance(value, str) else value
        if len(raw) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes((len(raw),)) + raw)
        else:
            self.write(pickle.BINSTRING + len(raw).to_bytes(4, "little") + raw)
        self.memoize(value)

    dispatch[str] = save_text
    dispatch[bytes] = save_text


class _chumpy:
    """A module `chumpy.ch` with a class `Ch`, for as long as something is written."""

    def __enter__(self) -> Any:
        class Ch:
            def __init__(self, value: object) -> None:
                self.x = value
                self._dirty_vars: set[str] = set()
                self._itr = None

        Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
        package, module = types.ModuleType("chumpy"), types.ModuleType("chumpy.ch")
        module.Ch = Ch  # type: ignore[attr-defined]
        package.ch = module  # type: ignore[attr-defined]
        sys.modules |= {"chumpy": package, "chumpy.ch": module}
        return Ch

    def __exit__(self, *_: object) -> None:
        del sys.modules["chumpy"], sys.modules["chumpy.ch"]
