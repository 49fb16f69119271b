"""From a head as it is assembled to the frames its expressions are authored in."""

import numpy as np

from models.types import JAW
from tracker.jobs.builtin_head.anatomy import Anatomy
from tracker.jobs.builtin_head.assemble import RawHead
from tracker.jobs.builtin_head.surface import Floats, Ids, Surface
from tracker.jobs.builtin_head.topology import EYE_LEFT, LIPS_INNER, SURFACE_LANDMARKS, boundary_loops

HARD = ("eyeball_left", "eyeball_right", "teeth_upper", "teeth_lower", "gums", "tongue")


def anatomy_of_head(head: RawHead) -> Anatomy:
    soft = np.ones(len(head.vertices))
    for region in HARD:
        soft[head.regions[region]] = 0.0
    lining = np.zeros(len(head.vertices))
    lining[head.regions["mouth_bag"]] = 1.0
    radius = np.linalg.norm(head.vertices[head.regions["eyeball_left"]] - head.eye_centres[0], axis=1)
    return Anatomy(
        surface=Surface(head.vertices, head.triangles),
        landmark_vertices=head.embedding_vertices[:SURFACE_LANDMARKS, 0],
        soft=soft,
        eye_centre=head.eye_centres[0],
        eye_radius=float(np.median(radius)),
        jaw_joint=np.asarray(head.joint_regressor[JAW] @ head.vertices),
        jaw_share=_float(head.skinning_weights[:, JAW]),
        lining=lining,
        lid_margins=_halves(head, "socket_left", (EYE_LEFT[8], EYE_LEFT[0])),
        seam=_seam(head),
    )


def _seam(head: RawHead) -> tuple[Ids, Ids]:
    """The border between lips and mouth pocket, as pairs of one vertex above and one below, corners left out."""
    corners = LIPS_INNER[0], LIPS_INNER[len(LIPS_INNER) // 2]
    return _halves(head, "mouth_bag", corners)


def _halves(head: RawHead, part: str, corners: tuple[int, int]) -> tuple[Ids, Ids]:
    """The open border of a part, cut at two landmarks: what runs above and what runs below, from the first corner."""
    loop = max(boundary_loops(head.triangles[np.array(head.triangle_parts) == part]), key=len)
    first, second = head.embedding_vertices[list(corners), 0]
    loop = np.roll(loop, -int(np.flatnonzero(loop == first)[0]))
    cut = int(np.flatnonzero(loop == second)[0])
    one, other = loop[1:cut], loop[:cut:-1]
    if head.vertices[one, 1].mean() < head.vertices[other, 1].mean():
        one, other = other, one
    return one, other


def _float(values: Floats) -> Floats:
    return np.asarray(values, np.float64)
