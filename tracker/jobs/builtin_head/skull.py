"""The hood: everything that continues the face beyond its oval: forehead, cranium, jaw underside, neck.

A grid of columns: each starts at one vertex of the oval and ends on the ring at the base of the neck. The forehead's
columns run over the crown and down the nape, those of the temples round the side of the head, those of the jaw under
it and down the throat. Control points are authored for a few columns of the left half and interpolated between.
"""

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from tracker.jobs.builtin_head.meshes import Points, mirror_points

ROWS = 27  # below the oval, the neck's ring included

# Control points (x, y, z) in mm in the canonical face's frame, for the oval landmark of that position in OVAL_LEFT.
COLUMNS: dict[int, tuple[tuple[float, float, float], ...]] = {
    0: ((0, 112, 22), (0, 131, -28), (0, 121, -90), (0, 70, -135), (0, 5, -131), (0, -66, -101)),
    4: ((59, 99, -4), (48, 116, -45), (42, 103, -98), (37, 57, -127), (33, -2, -121), (29, -68, -97)),
    6: ((76, 62, -32), (75, 77, -62), (66, 66, -100), (54, 28, -119), (45, -19, -110), (40, -76, -94)),
    8: ((75, 12, -40), (73, 15, -56), (68, 12, -75), (58, -10, -92), (51, -42, -94), (48, -85, -90)),
    10: ((68, -26, -36), (61, -26, -50), (55, -34, -62), (51, -55, -70), (49, -80, -75), (49, -112, -77)),
    11: ((60, -47, -29), (53, -50, -41), (49, -60, -50), (47, -80, -57), (47, -100, -61), (49, -125, -66)),
    13: ((45, -70, -4), (39, -73, -18), (37, -84, -30), (37, -100, -37), (39, -115, -42), (43, -132, -47)),
    15: ((28, -86, 14), (24, -87, 0), (23, -93, -12), (23, -107, -19), (24, -120, -23), (27, -137, -27)),
    18: ((0, -93, 26), (0, -94, 10), (0, -98, -5), (0, -112, -16), (0, -125, -18), (0, -142, -21)),
}
# Where those columns start on the canonical face's oval: an oval that lies elsewhere takes their beginnings along.
STARTS = {
    0: (0, 82.6, 44.8),
    4: (62.8, 66.2, 14.3),
    6: (75.6, 41.1, -9.9),
    8: (76.6, 6.7, -24.4),
    10: (72.7, -28.9, -22.5),
    11: (67.2, -47.9, -17.5),
    13: (50.9, -71.8, 7.1),
    15: (32.1, -85.3, 28.0),
    18: (0, -94.0, 42.6),
}
FOLLOWING = (0.9, 0.7, 0.45, 0.25, 0.1, 0.0)  # how much of the oval's offset each control point takes along
FOLLOWING_CRANIUM = (0.5, 0.15, 0.0, 0.0, 0.0, 0.0)
# Where each authored column ends on the neck's ring, in degrees: 0 at the throat, 180 at the nape.
RING_DEGREES = {0: 180.0, 4: 150.0, 6: 125.0, 8: 100.0, 10: 80.0, 11: 65.0, 13: 45.0, 15: 25.0, 18: 0.0}


def neck_ring(degrees: Points) -> Points:
    """Points on the base of the neck; the ring dips towards the throat."""
    angle = np.radians(degrees)
    return np.stack([57 * np.sin(angle), -148.0 - 12.0 * np.cos(angle), -68.5 + 45.5 * np.cos(angle)], -1)


def hood(oval_left: Points) -> Points:
    """From the left half of the refined oval [37, 3], top to chin: the grid [ROWS, 37, 3] of the left half."""
    authored = sorted(COLUMNS)
    position = np.array(authored, float)
    wanted = np.arange(len(oval_left)) / 2  # the refined oval has two columns a landmark
    controls = np.array([_moved(k, oval_left[2 * k]) for k in authored], float)  # [columns, 6, 3]
    controls = _across(position, controls)(wanted)
    ends = neck_ring(PchipInterpolator(position, [RING_DEGREES[k] for k in authored])(wanted))
    chains = np.concatenate([oval_left[:, None], controls, ends[:, None]], 1)  # [37, 8, 3]
    grid = np.stack([_spaced(chain, ROWS) for chain in chains], 1)
    grid[:, [0, -1], 0] = 0.0
    return grid


def _moved(column: int, start: Points) -> Points:
    """The column's control points, its beginning taken along to where the oval really is."""
    share = np.array(FOLLOWING if column >= 9 else FOLLOWING_CRANIUM)[:, None]
    return np.asarray(COLUMNS[column] + share * (start - np.array(STARTS[column])))


def _across(position: Points, controls: Points) -> CubicSpline:
    """Interpolates between columns, level across the midline: the spline also sees the right half's columns."""
    last = position[-1]
    positions = np.concatenate([-position[2:0:-1], position, 2 * last - position[-2:-4:-1]])
    both = np.concatenate([mirror_points(controls[2:0:-1]), controls, mirror_points(controls[-2:-4:-1])])
    return CubicSpline(positions, both, axis=0)


def _spaced(chain: Points, rows: int) -> Points:
    """A smooth curve through the chain at `rows` points after its start, a little denser near the start."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(chain, axis=0), axis=1))])
    spline = CubicSpline(length, chain)
    steps = np.linspace(0, 1, rows + 1)[1:]
    return np.asarray(spline(length[-1] * (0.65 * steps + 0.35 * steps**2)))


def whole_ring(left: Points) -> Points:
    """The left half [rows, 37, 3], top to chin -> whole loops [rows, 72, 3] starting at the top, over the left."""
    return np.concatenate([left, mirror_points(left[:, -2:0:-1])], 1)
