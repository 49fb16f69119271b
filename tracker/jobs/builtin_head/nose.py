"""Nostrils: the two landmark triangles inside each become a short, closed passage. Millimetres."""

import numpy as np

from tracker.jobs.builtin_head.face import FacePatch
from tracker.jobs.builtin_head.meshes import Clay, Points, fan_triangles, flipped, grid_triangles, unit
from tracker.jobs.builtin_head.topology import SURFACE_LANDMARKS, Ids, boundary_loops, mirrored

OPENING_LEFT = (250, 290, 392, 309)
PASSAGE = unit(np.array([-0.12, 0.9, -0.42]))  # up and back into the nose, a little towards its middle (left side)
RINGS = ((0.97, 1.6), (0.88, 4.5), (0.62, 7.5))  # width beside the opening's, depth in mm
TIP_DEPTH = 9.0
ROUNDING = 0.22


def cut_nostrils(patch: FacePatch) -> tuple[Ids, list[tuple[Ids, int]]]:
    """The face without the nostrils' floors; for each nostril its rim and the floor's middle vertex, now to be used."""
    triangles, holes = patch.triangles, []
    for opening in (OPENING_LEFT, mirrored(OPENING_LEFT)):
        inside = np.isin(patch.parents, opening).all(1)
        floor = inside[triangles].all(1)
        loop = boundary_loops(triangles[floor])[0]
        middle = np.setdiff1d(triangles[floor], loop)
        triangles = triangles[~floor]
        holes.append((loop, int(middle[0])))
    return triangles, holes


def add_nostril(clay: Clay, loop: Ids, tip: int, points: Points) -> None:
    """Rings up the passage from the rim; `tip` becomes its blind end (`with_open_nostrils` moved it there)."""
    rim = points[loop]
    centre = rim.mean(0)
    passage = PASSAGE * np.array([np.sign(centre[0]), 1, 1])
    rings = [centre + (rim - centre) * width + passage * depth for width, depth in RINGS]
    ids = clay.add(np.stack(rings))
    whole = np.concatenate([loop[None], ids])
    side = "left" if centre[0] > 0 else "right"
    # The loop runs as the floor's border did: the passage's walls take the floor's place.
    clay.cover(
        f"nostril_{side}", np.concatenate([flipped(grid_triangles(whole, closed=True)), fan_triangles(ids[-1], tip)])
    )


def with_open_nostrils(points: Points, nostrils: list[tuple[Ids, int]]) -> Points:
    """The skin with the floors' middles moved to the passages' blind ends, and the openings' straight edges rounded."""
    moved = points.copy()
    for loop, tip in nostrils:
        centre = points[loop].mean(0)
        moved[tip] = centre + PASSAGE * np.array([np.sign(centre[0]), 1, 1]) * TIP_DEPTH
        born = loop[loop >= SURFACE_LANDMARKS]  # landmarks stay
        moved[born] += ROUNDING * (points[born] - centre)
    return moved
