"""How MediaPipe's 468 surface landmarks are connected, and the loops and pairs the sculpture needs.

The triangles are those of the canonical face in the mediapipe package. "Left" is the subject's left, x > 0.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

SURFACE_LANDMARKS = 468
DATA = Path(__file__).parents[3] / "models" / "builtin" / "landmark_topology.npz"

# Loops of landmark numbers. The eyes start at the outer corner and run along the lower lid; the mouth starts at the
# right corner and runs along the upper lip; the oval starts at the forehead and runs down the subject's left.
EYE_RIGHT = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
EYE_LEFT = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
LIPS_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
LIPS_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
LIP_MIDDLE_RINGS = (
    (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306, 307, 320, 404, 315, 16, 85, 180, 90, 77),
    (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292, 325, 319, 403, 316, 15, 86, 179, 89, 96),
)
OVAL_LEFT = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152)
BROW_LEFT = (336, 296, 334, 293, 300, 276, 283, 282, 295, 285)


@dataclass(frozen=True)
class LandmarkTopology:
    """Connectivity of the landmark mesh with the eyes and the mouth open."""

    triangles: Ids  # [F, 3] counter-clockwise from outside
    mirror: Ids  # [468] the landmark's partner on the other side, itself on the midline


@lru_cache(maxsize=1)
def landmark_topology() -> LandmarkTopology:
    with np.load(DATA, allow_pickle=False) as data:
        triangles, mirror = data["triangles"].astype(np.int64), data["mirror"].astype(np.int64)
    for loop in (EYE_LEFT, EYE_RIGHT, LIPS_INNER):
        triangles = triangles[~np.isin(triangles, loop).all(1)]  # the three holes are filled in the data
    return LandmarkTopology(triangles, mirror)


def mirrored(loop: tuple[int, ...]) -> tuple[int, ...]:
    """The same loop on the other side of the face."""
    return tuple(int(i) for i in landmark_topology().mirror[list(loop)])


def edges_of(triangles: Ids) -> Ids:
    """Unique undirected edges [E, 2], low id first."""
    directed = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return np.asarray(np.unique(np.sort(directed, 1), axis=0), np.int64)


def boundary_loops(triangles: Ids) -> list[Ids]:
    """Open borders as ordered loops, each running with the surface on its left seen from outside."""
    directed = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    present = {(int(a), int(b)) for a, b in directed}
    following = {a: b for a, b in present if (b, a) not in present}
    loops = []
    while following:
        start = min(following)
        loop, here = [start], following.pop(start)
        while here != start:
            loop.append(here)
            here = following.pop(here)
        loops.append(np.array(loop, np.int64))
    return loops
