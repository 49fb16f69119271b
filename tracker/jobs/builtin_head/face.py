"""The face patch: MediaPipe's landmarks as a smooth, open mesh. Millimetres."""

from dataclasses import dataclass

import numpy as np

from tracker.jobs.builtin_head.fairing import fair
from tracker.jobs.builtin_head.meshes import Points
from tracker.jobs.builtin_head.subdivide import refine_loop, subdivision, symmetrised
from tracker.jobs.builtin_head.topology import (
    EYE_LEFT,
    EYE_RIGHT,
    LIP_MIDDLE_RINGS,
    LIPS_INNER,
    LIPS_OUTER,
    OVAL_LEFT,
    SURFACE_LANDMARKS,
    Ids,
    boundary_loops,
    edges_of,
    landmark_topology,
    mirrored,
)

LANDMARK_PULL, NEW_VERTEX_PULL = 3.0, 0.06  # against bending


@dataclass(frozen=True)
class FacePatch:
    """The landmarks (first, in their order) and one new vertex an edge."""

    points: Points  # [1790, 3]
    triangles: Ids  # [3408, 3]
    oval: Ids  # [72] from the forehead over the subject's left to the chin and back
    eye_left: Ids  # [32] from the outer corner along the lower lid
    eye_right: Ids
    lips: Ids  # [40] from the right corner along the upper lip
    parents: Ids  # [1790, 2] the two landmarks of the edge a vertex was born on, itself twice for a landmark


def face_patch(landmarks: Points) -> FacePatch:
    """Landmarks [468, 3] with the mouth already closed -> the subdivided patch."""
    topology = landmark_topology()
    points = symmetrised(landmarks, topology.mirror)
    matrix, triangles, middle = subdivision(topology.triangles, SURFACE_LANDMARKS)
    oval = OVAL_LEFT + mirrored(OVAL_LEFT)[-2:0:-1]
    parents = np.tile(np.arange(SURFACE_LANDMARKS)[:, None], (1, 2))
    return FacePatch(
        points=_smoothed(matrix @ points, triangles),
        triangles=triangles,
        oval=refine_loop(oval, middle),
        eye_left=refine_loop(EYE_LEFT, middle),
        eye_right=refine_loop(EYE_RIGHT, middle),
        lips=refine_loop(LIPS_INNER, middle),
        parents=np.concatenate([parents, np.array(list(middle), np.int64)]),
    )


def _smoothed(points: Points, triangles: Ids) -> Points:
    """Take small dents of the detector out: landmarks give way by tenths of a millimetre, borders not at all."""
    inner = np.ones(len(points), bool)
    for loop in boundary_loops(triangles):
        inner[loop] = False
    pull = np.full(len(points), NEW_VERTEX_PULL)
    pull[:SURFACE_LANDMARKS] = LANDMARK_PULL
    return fair(points, triangles, pull, free=inner, rows=inner)


def close_mouth(landmarks: Points) -> Points:
    """The same face with its inner lip lines meeting: each pair goes to its middle, the lips follow with a falloff."""
    upper, lower = np.array(LIPS_INNER[1:10]), np.array(LIPS_INNER[19:10:-1])
    meet = (landmarks[upper] + landmarks[lower]) / 2
    anchors = np.concatenate([upper, lower])
    shift = np.concatenate([meet, meet]) - landmarks[anchors]
    closed = landmarks.copy()
    mouth = landmarks[list(LIPS_INNER)].mean(0)
    near = np.flatnonzero(np.linalg.norm((landmarks - mouth) / (38, 26, 30), axis=1) < 1)
    upper_side, lower_side = _lip_sides()
    for vertex in near:
        side = slice(0, 9) if vertex in upper_side else slice(9, 18) if vertex in lower_side else None
        if side is None:
            continue
        distance = np.linalg.norm(landmarks[anchors[side]] - landmarks[vertex], axis=1)
        nearest = np.exp(-((distance - distance.min()) ** 2) / 8.0)
        fall = np.exp(-((distance.min() / 9.0) ** 2))
        closed[vertex] += fall * (nearest[:, None] * shift[side]).sum(0) / nearest.sum()
    return closed


def _lip_sides() -> tuple[set[int], set[int]]:
    """Landmarks above and below the line between the lips, as connected without crossing it (corners in neither)."""
    corners = {LIPS_INNER[0], LIPS_INNER[10]}
    rings = (LIPS_INNER, *LIP_MIDDLE_RINGS, LIPS_OUTER)
    upper = {i for ring in rings for i in ring[1:10]}
    lower = {i for ring in rings for i in ring[11:]}
    neighbours: dict[int, set[int]] = {}
    for a, b in edges_of(landmark_topology().triangles).tolist():
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    for _ in range(3):
        grown_upper = {n for i in upper for n in neighbours[i]} - lower - corners
        grown_lower = {n for i in lower for n in neighbours[i]} - upper - corners
        both = grown_upper & grown_lower
        upper, lower = upper | (grown_upper - both), lower | (grown_lower - both)
    return upper, lower
