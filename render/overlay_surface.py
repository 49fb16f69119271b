"""What of a head the overlay draws, and what it is painted with: worked out once a head."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.head import Head, embed
from models.types import LEFT_EYE, RIGHT_EYE
from render.texture import face_reach

Floats = NDArray[np.float32]

# Inside the mouth the picture itself shows more than a model knows.
HIDDEN = ("mouth_bag", "gums", "gums_upper", "gums_lower", "teeth_upper", "teeth_lower", "tongue")
EYES = {"left": LEFT_EYE, "right": RIGHT_EYE}

# Linear RGB. Cool clay, so that it is never taken for skin.
CLAY, LINES = (0.30, 0.54, 0.60), (0.12, 0.85, 1.0)
SCLERA, IRIS, PUPIL = (0.72, 0.74, 0.76), (0.02, 0.16, 0.24), (0.004, 0.006, 0.008)
CLAY_OPACITY, SCALP_OPACITY, EYE_OPACITY = 0.70, 0.42, 0.90
EYE_GLOSS = 0.7
FEATURES = 0.55
IRIS_RADIANS, PUPIL_RADIANS = 0.50, 0.19  # from the eye's axis, for heads that name no iris
SMALLEST_M = 1e-7  # of a shape's motion that counts
CHIN = 152  # landmark


@dataclass(frozen=True)
class Surface:
    """N of a head's V vertices and M of its triangles; bases as lists of what each column really moves."""

    vertices: NDArray[np.int64]  # [N] of the head
    triangles: NDArray[np.int32]  # [M, 3] of these N
    paint: Floats  # [N, 5] linear red, green, blue, opacity, gloss
    line_paint: Floats  # [N, 5] the same for a wireframe
    skin_paint: Floats  # [N, 5] the same in the head's own skin, whose colours are a texture's
    corners: Floats  # [M, 3, 2] where triangles lie in a texture, 0 to 1
    texture_m: float  # how much skin a texture's side would span at the size that the face has in it
    carried: Floats  # [N, J] skinning weights
    starts: NDArray[np.int32]  # [K + 1] where each column's entries begin: expression, then pose correctives
    ids: NDArray[np.int32]  # [n]
    offsets: Floats  # [n, 3] metres a unit

    @staticmethod
    def of(head: Head) -> "Surface":
        drawn = _drawn_triangles(head)
        triangles = head.triangles.numpy()[drawn]
        vertices = np.unique(triangles)
        place = np.full(head.vertex_count, -1, np.int64)
        place[vertices] = np.arange(len(vertices))
        pose = np.zeros((len(vertices), 3, 36), np.float32)
        pose[..., : head.pose_basis.shape[2]] = head.pose_basis.numpy()[vertices]
        columns = np.concatenate([head.expression_basis.numpy()[vertices], pose], 2)
        starts, ids, offsets = _sparse(columns)
        skin_paint, corners = _skin_paint(head), head.uvs.numpy()[head.uv_triangles.numpy()[drawn]]
        return Surface(
            vertices=vertices,
            triangles=np.ascontiguousarray(place[triangles], np.int32),
            paint=np.ascontiguousarray(_paint(head, CLAY, FEATURES)[vertices]),
            line_paint=np.ascontiguousarray(_paint(head, LINES, 0.0)[vertices]),
            skin_paint=np.ascontiguousarray(skin_paint[vertices]),
            corners=np.ascontiguousarray(corners, np.float32),
            texture_m=_texture_m(head.template.numpy()[triangles], corners, (skin_paint[triangles, 3] > 0.5).all(1)),
            carried=np.ascontiguousarray(head.skinning_weights.numpy()[vertices], np.float32),
            starts=starts,
            ids=ids,
            offsets=offsets,
        )


def _drawn_triangles(head: Head) -> NDArray[np.bool_]:
    """[F]"""
    hidden = np.zeros(head.vertex_count, bool)
    hidden[_named(head, HIDDEN)] = True
    triangles = head.triangles.numpy()
    return np.asarray(~hidden[triangles].all(1))


def _named(head: Head, names: Iterable[str]) -> NDArray[np.int64]:
    """Vertices of those regions that the head has."""
    found = [head.regions[name].numpy() for name in names if name in head.regions]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)


def _sparse(columns: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
    """[N, 3, K] -> starts [K + 1], vertices [n], offsets [n, 3], column by column."""
    moves = (np.abs(columns).max(1) > SMALLEST_M).T  # [K, N]
    column, vertex = np.nonzero(moves)
    starts = np.searchsorted(column, np.arange(len(moves) + 1))
    offsets = np.ascontiguousarray(columns.transpose(2, 0, 1)[column, vertex], np.float32)
    return starts.astype(np.int32), vertex.astype(np.int32), offsets


# Paint.


def _paint(head: Head, colour_of_skin: tuple[float, float, float], features: float) -> Floats:
    """[V, 5]. `features`: how much of the head's own light and dark (lips, brows) is kept."""
    paint = np.zeros((head.vertex_count, 5), np.float32)
    paint[:, :3] = np.asarray(colour_of_skin) * (_relief(head) ** features)[:, None]
    paint[:, 3] = CLAY_OPACITY
    paint[_named(head, ("scalp",)), 3] = SCALP_OPACITY
    paint[:, 3] = _smoothed(paint[:, 3], head) * _above_the_neck(head)
    for side, joint in EYES.items():
        ball, iris, pupil = _eye(head, side, joint)
        for part, colour in ((ball, SCLERA), (iris, IRIS), (pupil, PUPIL)):
            paint[part, :3] = colour
        paint[ball, 3:] = EYE_OPACITY, EYE_GLOSS
    return paint


def _skin_paint(head: Head) -> Floats:
    """[V, 5]: whole where a picture can have shown the face, thinning out towards hair and neck."""
    paint = np.zeros((head.vertex_count, 5), np.float32)
    paint[:, 3] = _smoothed(face_reach(head), head)
    for side, joint in EYES.items():
        paint[_eye(head, side, joint)[0], 3:] = 1.0, EYE_GLOSS
    return paint


def _texture_m(points: Floats, corners: Floats, face: NDArray[np.bool_]) -> float:
    """Of triangles [M, 3, 3] that lie at [M, 3, 2] in a texture, those of the face [M]."""
    (a, b, c), (p, q, r) = np.moveaxis(points[face], 1, 0), np.moveaxis(corners[face], 1, 0)
    in_metres = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    in_texture = np.abs((q - p)[:, 0] * (r - p)[:, 1] - (q - p)[:, 1] * (r - p)[:, 0])
    laid_out = in_texture > 0
    return float(np.sqrt(np.median(in_metres[laid_out] / in_texture[laid_out]))) if laid_out.any() else 1.0


def _relief(head: Head) -> Floats:
    """[V] about 1: lighter and darker than the head's skin is on the whole."""
    brightness = head.colours.numpy() @ np.array((0.21, 0.72, 0.07), np.float32)
    usual = np.median(brightness[head.embedding.vertices.numpy()[:468]])
    return np.asarray(np.clip(brightness / max(usual, 1e-6), 0.2, 1.5), np.float32)


def _above_the_neck(head: Head) -> Floats:
    """[V] 0 where the neck is cut to 1 below the chin: it ends softly."""
    height = head.template.numpy()[:, 1]
    chin = float(embed(head.embedding, head.template)[CHIN, 1])
    low = float(height.min()) + 0.1 * (chin - float(height.min()))
    share = np.clip((height - low) / max(chin - low, 1e-6), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def _smoothed(values: Floats, head: Head, times: int = 12) -> Floats:
    """[V] averaged with the neighbours again and again, so that no region ends in a line."""
    edges = head.triangles.numpy()[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).T
    ends = np.concatenate([edges, edges[::-1]], 1)
    count = np.maximum(np.bincount(ends[0], minlength=len(values)), 1)
    for _ in range(times):
        around = np.bincount(ends[0], values[ends[1]], minlength=len(values)) / count
        values = np.asarray((values + around) / 2, np.float32)
    return values


def _eye(head: Head, side: str, joint: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Vertices of one eyeball, its iris and its pupil: by name, or by what turns with the eye and looks ahead."""
    ball = _named(head, (f"eyeball_{side}",))
    if not len(ball):
        ball = np.flatnonzero(head.skinning_weights.numpy()[:, joint] > 0.9)
    iris, pupil = _named(head, (f"iris_{side}",)), _named(head, (f"pupil_{side}",))
    if len(iris):
        return ball, iris, pupil
    points = head.template.numpy()[ball]
    if not len(ball):
        return ball, ball, ball
    away = points - (points.min(0) + points.max(0)) / 2
    angle = np.arccos(np.clip(away[:, 2] / np.maximum(np.linalg.norm(away, axis=1), 1e-9), -1, 1))
    return ball, ball[angle < IRIS_RADIANS], ball[angle < PUPIL_RADIANS]
