"""Finding the face of a mesh that may stand anyhow: it is drawn from many sides, and the detector says where one is.

Detected landmarks are carried back onto the surface through the pixels they were seen at. What comes out are landmarks
in 3D, and with them which way is up, which is front, and how large the head is.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.camera import clip_points
from models.embedding.mesh import Floats, Ids, unit, vertex_normals
from models.embedding.parts import find_eyeballs
from models.embedding.similarity import Similarity, align_robustly
from models.types import LANDMARK_COUNT
from render.rasterizer import rasterize
from render.shading import View, draw_mesh
from tracker.landmarks import LandmarkDetector
from tracker.weights import OUTLINE

SKIN_TONE, WHITE, IRIS = (0.52, 0.36, 0.29), (0.75, 0.72, 0.7), (0.06, 0.04, 0.03)
SEARCH_PX, CLOSE_PX = 192, 512
# How much of the mesh is looked at, from which yaws: all of it, then of a whole body the upper end.
WHOLE, UPPER_END = (1.0, (0, 45, -45, 90, -90, 135, -135, 180)), (0.3, (0, 90, -90, 180))
BODY = 1.6  # a mesh this many times as long as it is wide may be a whole body
CLOSE_VIEWS = ((0, 0), (16, 0), (-16, 0), (32, 0), (-32, 0), (0, 14), (0, -14))  # yaw, pitch in degrees
CLOSE_ROUNDS, SETTLED = 3, 0.05  # radians the pose may still turn
HEAD_RADIUS_M = 0.15
# Median distance of a face's landmarks from the usual face, in shares of the eyes' distance. People have 0.02 to 0.06
# in close views; what a detector imagines on a bumpy ball 0.08 and more.
MOST_OFF, MOST_OFF_CLOSE, SURE = 0.09, 0.07, 0.05
FEWEST_VIEWS = 3


@dataclass(frozen=True)
class FaceOnMesh:
    """Where a face is. `similarity` carries the usual face (metres, head frame) to the mesh."""

    similarity: Similarity
    points: Floats  # [L, 3] in the mesh's frame, NaN where a landmark was not seen or slides
    views: int  # pictures in which it was found


@dataclass(frozen=True)
class Sighting:
    points: Floats  # [L, 3] in the frame that was drawn; NaN where the pixel shows nothing
    facing: Floats  # [L] cosine between the surface and the direction it was seen from


def find_face(
    vertices: Floats, triangles: Ids, usual: Floats, detector: LandmarkDetector, tell: Callable[[int, int], None]
) -> FaceOnMesh | None:
    """The face of a mesh in any pose and unit; `usual` [L, 3] is the built-in head's; None where no view shows one.

    `tell` hears how many of how many views have been looked at.
    """
    similarity = _search(vertices, triangles, usual, detector, tell)
    if similarity is None:
        return None
    points, views = np.full((LANDMARK_COUNT, 3), np.nan), 0
    for _ in range(CLOSE_ROUNDS):
        in_head = similarity.inverse()
        sightings = _look_closely(in_head(vertices), triangles, usual, detector)
        if len(sightings) < FEWEST_VIEWS:
            return None
        points, views = similarity(_combined(sightings)), len(sightings)
        seen = np.isfinite(points).all(1)
        before, similarity = similarity, align_robustly(usual[seen], points[seen])[0]
        if np.linalg.norm(similarity.rotation - before.rotation) < SETTLED:
            break
    return FaceOnMesh(similarity, points, views)


def _search(
    vertices: Floats, triangles: Ids, usual: Floats, detector: LandmarkDetector, tell: Callable[[int, int], None]
) -> Similarity | None:
    """The best of all views, or the first that is surely a face."""
    best, best_off = None, MOST_OFF
    width, length = np.sort(np.ptp(vertices, axis=0))[1:]
    searches = (WHOLE, UPPER_END) if length > BODY * width else (WHOLE,)
    poses = [(zoom, up, yaw) for zoom, yaws in searches for up, yaw in itertools.product(_ups(), yaws)]
    for number, (zoom, up, yaw) in enumerate(poses):
        tell(number, len(poses))
        if best is not None and zoom < 1:
            break
        placed = _placed(vertices, up, zoom)
        in_view = placed.inverse()(vertices)
        sighting = _look(in_view, triangles, View(yaw, 0, (0.0, 0.0, 0.0), 2.2 * HEAD_RADIUS_M), SEARCH_PX, detector)
        if sighting is None:
            continue
        similarity, off = _compared(sighting, usual)
        if off < best_off:
            best, best_off = _after(placed, similarity), off
        if best_off < SURE:
            break
    tell(len(poses), len(poses))
    return best


def _ups() -> list[Floats]:
    """Rotations [3, 3] from a head's axes to a mesh whose up is y, z, -y, -z, x or -x."""
    ups = [(0, 1, 0), (0, 0, 1), (0, -1, 0), (0, 0, -1), (1, 0, 0), (-1, 0, 0)]
    fronts = [(0, 0, 1), (0, -1, 0), (0, 0, 1), (0, 1, 0), (0, 0, 1), (0, 0, 1)]
    columns = [(np.cross(up, front), up, front) for up, front in zip(ups, fronts, strict=True)]
    return [np.stack(axes, 1).astype(np.float64) for axes in columns]


def _placed(vertices: Floats, rotation: Floats, zoom: float) -> Similarity:
    """From a frame in which the mesh has a head's size and stands upright to its own. A zoom looks at its upper end."""
    turned = vertices @ rotation
    low, high = turned.min(0), turned.max(0)
    radius = 0.5 * float((high - low).max()) * zoom
    middle = (low + high) / 2
    middle[1] = high[1] - radius if zoom < 1 else middle[1]
    return Similarity(radius / HEAD_RADIUS_M, rotation, rotation @ middle)


def _after(second: Similarity, first: Similarity) -> Similarity:
    return Similarity(second.scale * first.scale, second.rotation @ first.rotation, second(first.translation[None])[0])


def _compared(sighting: Sighting, usual: Floats) -> tuple[Similarity, float]:
    """How the usual face lies on a sighting, and how unlike it is, in shares of the distance between its eyes."""
    seen = np.isfinite(sighting.points).all(1)
    if seen.sum() < 0.6 * len(seen):
        return Similarity(1.0, np.eye(3), np.zeros(3)), np.inf
    similarity, distance = align_robustly(usual[seen], sighting.points[seen])
    eyes = similarity.scale * float(np.linalg.norm(usual[33] - usual[263]))
    return similarity, float(np.median(distance)) / eyes


def _look_closely(vertices: Floats, triangles: Ids, usual: Floats, detector: LandmarkDetector) -> list[Sighting]:
    """Several views around the front of a mesh in the head frame; only those whose landmarks form a face."""
    middle = usual.mean(0)
    colours = _painted(vertices, triangles)
    found = []
    for yaw, pitch in CLOSE_VIEWS:
        view = View(yaw, pitch, (float(middle[0]), float(middle[1]), float(middle[2])), 0.3)
        sighting = _look(vertices, triangles, view, CLOSE_PX, detector, colours)
        if sighting is not None and _compared(sighting, usual)[1] < MOST_OFF_CLOSE:
            found.append(sighting)
    return found


def _painted(vertices: Floats, triangles: Ids) -> Floats:
    """[V, 3] skin, and eyeballs that look ahead: the detector finds lids better around dark irises."""
    colours = np.tile(SKIN_TONE, (len(vertices), 1))
    for eye in find_eyeballs(vertices, triangles) or ():
        ahead = unit(vertices[eye.vertices] - eye.centre)[:, 2]
        colours[eye.vertices] = np.where((ahead > 0.9)[:, None], IRIS, WHITE)
    return colours


def _look(
    vertices: Floats,
    triangles: Ids,
    view: View,
    size_px: int,
    detector: LandmarkDetector,
    colours: Floats | None = None,
) -> Sighting | None:
    """Draw, detect, and carry what was detected back onto the surface."""
    colours = np.tile(SKIN_TONE, (len(vertices), 1)) if colours is None else colours
    found = detector.detect(draw_mesh(vertices, triangles, colours, view, (size_px, size_px)))
    if found is None:
        return None
    side = 2 * size_px  # finer than the picture: landmarks fall between pixels
    camera = view.camera(side, side)
    clip = clip_points(camera, torch.from_numpy(vertices), side, side).float()
    fragments = rasterize(clip, torch.from_numpy(triangles), (side, side)).numpy()
    pixels = np.floor(found.points_px * 2).astype(np.int64)
    inside = ((pixels >= 0) & (pixels < side)).all(1)
    column, row = np.clip(pixels, 0, side - 1).T
    hit: NDArray[np.float64] = fragments[row, column].astype(np.float64)
    inside &= hit[:, 3] > 0
    corners = triangles[np.maximum(hit[:, 3].astype(np.int64) - 1, 0)]
    weights = np.stack([hit[:, 0], hit[:, 1], 1 - hit[:, 0] - hit[:, 1]], 1)
    points = (vertices[corners] * weights[..., None]).sum(1)
    normals = unit((vertex_normals(vertices, triangles)[corners] * weights[..., None]).sum(1))
    towards = unit(-camera.rotation.numpy().T @ camera.translation.numpy() - points)
    points[~inside] = np.nan
    return Sighting(points, (normals * towards).sum(1))


def _combined(sightings: list[Sighting]) -> Floats:
    """[L, 3] robust means over views, each weighted by how squarely it was seen; NaN for the outline and the unseen."""
    points = np.stack([s.points for s in sightings])  # [N, L, 3]
    weights = np.stack([np.clip(s.facing, 0, 1) ** 2 for s in sightings])
    weights = np.where(np.isfinite(points).all(2), weights, 0.0)
    filled = np.nan_to_num(points)
    for spread in (0.02, 0.006, 0.003):
        total = weights.sum(0)
        mean = (filled * weights[..., None]).sum(0) / np.maximum(total, 1e-9)[:, None]
        distance = np.linalg.norm(filled - mean, axis=2)
        robust = weights / (1 + (distance / spread) ** 2)
        mean = (filled * robust[..., None]).sum(0) / np.maximum(robust.sum(0), 1e-9)[:, None]
        weights = robust
    mean[np.stack([s.facing for s in sightings]).max(0) < 0.2] = np.nan
    mean[weights.sum(0) < 1e-6] = np.nan
    mean[list(OUTLINE)] = np.nan  # there the detector marks where the face ends in the picture, not a place on the skin
    return np.asarray(mean)
