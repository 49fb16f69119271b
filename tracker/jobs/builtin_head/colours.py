"""What the head looks like without a texture: linear RGB a vertex."""

import numpy as np

from tracker.jobs.builtin_head.meshes import Points, smooth_curve, smoothstep
from tracker.jobs.builtin_head.mouth import tooth_gaps
from tracker.jobs.builtin_head.topology import BROW_LEFT, Ids, mirrored

Colour = tuple[float, float, float]

SKIN: Colour = (0.44, 0.285, 0.215)
FLUSH: Colour = (0.44, 0.215, 0.165)  # cheeks, nose, ears
LIPS: Colour = (0.37, 0.16, 0.14)
BROW: Colour = (0.13, 0.085, 0.065)
LASHES: Colour = (0.09, 0.055, 0.045)
SCLERA: Colour = (0.56, 0.52, 0.49)
IRIS: Colour = (0.15, 0.095, 0.055)
IRIS_EDGE: Colour = (0.04, 0.03, 0.025)
PUPIL: Colour = (0.006, 0.006, 0.006)
TEETH: Colour = (0.62, 0.57, 0.47)
GUMS: Colour = (0.36, 0.13, 0.12)
TONGUE: Colour = (0.36, 0.14, 0.13)
MOUTH: Colour = (0.15, 0.045, 0.04)
NOSTRIL: Colour = (0.05, 0.022, 0.018)

BROW_WIDTH = 2.6  # mm from the brow's middle line to where it has faded by half
FLUSHED = (((0, -6, 70), 17.0, 0.5), ((44, -8, 38), 20.0, 0.45), ((-44, -8, 38), 20.0, 0.45))  # nose, cheeks
WHOLE_REGIONS: tuple[tuple[str, Colour, float], ...] = (  # region, colour, how much of it
    ("ear_left", FLUSH, 0.45),
    ("ear_right", FLUSH, 0.45),
    ("nostril_rim_left", NOSTRIL, 0.55),
    ("nostril_rim_right", NOSTRIL, 0.55),
    ("nostril_passage_left", NOSTRIL, 1.0),
    ("nostril_passage_right", NOSTRIL, 1.0),
    ("lips_upper", LIPS, 0.85),
    ("lips_lower", LIPS, 0.85),
    ("mouth_bag", MOUTH, 1.0),
    ("socket_left", GUMS, 0.6),
    ("socket_right", GUMS, 0.6),
    ("sclera", SCLERA, 1.0),
    ("iris_left", IRIS, 1.0),
    ("iris_right", IRIS, 1.0),
    ("pupil_left", PUPIL, 1.0),
    ("pupil_right", PUPIL, 1.0),
    ("teeth_upper", TEETH, 1.0),
    ("teeth_lower", TEETH, 1.0),
    ("gums", GUMS, 1.0),
    ("tongue", TONGUE, 1.0),
)


def paint(points: Points, regions: dict[str, Ids], centres: tuple[Points, Points]) -> Points:
    """Colours [V, 3]; points in mm, the eyes' centres left and right."""
    colours = np.tile(np.asarray(SKIN), (len(points), 1))
    face = regions["face"]
    for spot, radius, strength in FLUSHED:
        near = np.exp(-(np.linalg.norm(points[face] - spot, axis=1) ** 2) / radius**2)
        _lay(colours, face, FLUSH, strength * near)
    for name, colour, strength in WHOLE_REGIONS:
        _lay(colours, regions[name], colour, np.full(len(regions[name]), strength))
    for name in ("teeth_upper", "teeth_lower"):
        _lay(colours, tooth_gaps(regions[name]), GUMS, np.full(len(tooth_gaps(regions[name])), 0.35))
    for side in ("left", "right"):
        _paint_brow(colours, points, regions, side)
        _paint_lashes(colours, regions, side)
    for ids, centre in zip((regions["iris_left"], regions["iris_right"]), centres, strict=True):
        from_axis = np.linalg.norm((points[ids] - centre)[:, :2], axis=1)
        _lay(colours, ids, IRIS_EDGE, smoothstep(4.4, 5.8, from_axis))
    return colours


def _lay(colours: Points, ids: Ids, colour: Colour, strength: Points) -> None:
    colours[ids] += strength[:, None] * (np.asarray(colour) - colours[ids])


def _paint_brow(colours: Points, points: Points, regions: dict[str, Ids], side: str) -> None:
    """Darkest along the line between the brow's two rows of landmarks."""
    brow = np.array(BROW_LEFT if side == "left" else mirrored(BROW_LEFT))
    upper, lower = points[brow[:5]], points[brow[:4:-1]]  # both from the nose outward
    line = smooth_curve((0.45 * upper + 0.55 * lower).tolist(), 60)
    ids = regions["face"]
    distance = np.linalg.norm(points[ids, None] - line, axis=-1)
    along = distance.argmin(1) / 59
    strength = np.exp(-((distance.min(1) / (BROW_WIDTH * (1.15 - 0.4 * along))) ** 2))
    _lay(colours, ids, BROW, 0.8 * strength)


def _paint_lashes(colours: Points, regions: dict[str, Ids], side: str) -> None:
    """The margins run from the outer corner along the lower lid to the inner corner (16) and back along the upper."""
    margin, rim = regions[f"lid_margin_{side}"], regions[f"socket_{side}"][:32]
    along_upper = np.sin(np.pi * np.arange(1, 16) / 16) ** 0.5
    for loop, upper, lower in ((margin, 0.5, 0.1), (rim, 0.85, 0.35)):
        _lay(colours, loop[17:], LASHES, upper * along_upper)
        _lay(colours, loop[1:16], LASHES, lower * along_upper)
