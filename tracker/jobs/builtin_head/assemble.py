"""The neutral head: from the mean of the landmarks to a whole head, in one deterministic pass.

Vertex order: the 468 landmarks in their own order, the face's other vertices, the hood, the nostrils, the ears, the eye
sockets, the mouth's pocket, the eyeballs (left before right), teeth and gums (upper before lower), the tongue.
The sculpture is made in millimetres in the frame of MediaPipe's canonical face;
`assemble` moves it to where the given landmarks are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.embedding.mesh import vertex_normals
from models.types import LANDMARK_COUNT
from tracker.jobs.builtin_head.colours import paint
from tracker.jobs.builtin_head.ears import add_ears
from tracker.jobs.builtin_head.eyes import Eyeball, add_eyeball, add_socket, eye_centre
from tracker.jobs.builtin_head.face import FacePatch, close_mouth, face_patch
from tracker.jobs.builtin_head.fairing import fair
from tracker.jobs.builtin_head.jaw_skin import jaw_share
from tracker.jobs.builtin_head.meshes import Clay, Points, flipped, grid_triangles, mirror_points, smoothstep
from tracker.jobs.builtin_head.mouth import add_gum, add_pocket, add_teeth, add_tongue
from tracker.jobs.builtin_head.nose import add_nostril, cut_nostrils, with_open_nostrils
from tracker.jobs.builtin_head.regions import face_regions
from tracker.jobs.builtin_head.skinning import joint_regressor, skin_weights
from tracker.jobs.builtin_head.skull import ROWS, hood, whole_ring
from tracker.jobs.builtin_head.subdivide import symmetrised
from tracker.jobs.builtin_head.topology import SURFACE_LANDMARKS, Ids, boundary_loops, landmark_topology
from tracker.jobs.builtin_head.uv import unwrap

# Midline and ear-side points of the canonical face, mm: they place a mean face in the sculpture's frame.
FRAME_LANDMARKS = {9: (48.9, 53.9), 168: (32.7, 52.4), 152: (-94.0, 42.6), 454: (6.7, -24.4), 234: (6.7, -24.4)}


@dataclass(frozen=True)
class RawHead:
    """A neutral head without identity or expression. Metres, in the frame of the landmarks it was built from."""

    vertices: NDArray[np.float64]  # [V, 3]
    triangles: Ids  # [F, 3] counter-clockwise from outside
    uvs: NDArray[np.float64]  # [U, 2] in 0..1, origin at the top left of the texture
    uv_triangles: Ids  # [F, 3]
    embedding_vertices: Ids  # [478, 3]
    embedding_weights: NDArray[np.float64]  # [478, 3]
    regions: dict[str, Ids]
    colours: NDArray[np.float64]  # [V, 3] linear RGB
    joint_regressor: NDArray[np.float64]  # [5, V]
    skinning_weights: NDArray[np.float64]  # [V, 5]
    mirror: Ids  # [V] each vertex's partner on the other side
    triangle_parts: tuple[str, ...]  # [F] the part a triangle belongs to
    eye_centres: NDArray[np.float64]  # [2, 3] left, right


def assemble(mean_landmarks: NDArray[np.float64]) -> RawHead:
    """A head whose surface landmarks are the given ones [468 or 478, 3] (metres; made symmetric, mouth closed)."""
    offset = _offset(mean_landmarks)
    surface = symmetrised(mean_landmarks[:SURFACE_LANDMARKS] * 1000 - offset, landmark_topology().mirror)
    patch = face_patch(close_mouth(surface))
    clay = Clay()
    regions: dict[str, Ids] = {}
    hood_ids, skin_points = _add_skin(clay, patch)
    eyes, centres = _add_details(clay, patch, skin_points, hood_ids, regions)
    kept = np.unique(clay.triangles())  # what lay under the ears is gone
    renumber = np.full(clay.count, -1)
    renumber[kept] = np.arange(len(kept))
    points, triangles, parts = clay.points()[kept], renumber[clay.triangles()], tuple(clay.parts())
    hood_ids = renumber[hood_ids]
    eyes = (eyes[0].renumbered(renumber), eyes[1].renumbered(renumber))
    regions = {name: renumber[ids] for name, ids in regions.items()}
    regions.update(face_regions(points, triangles, parts, patch, hood_ids, eyes))
    jaw = jaw_share(points, triangles, parts, regions, patch, hood_ids)
    uvs, uv_triangles = unwrap(points, triangles, parts, patch, hood_ids, regions, jaw)
    embedding = np.concatenate([np.arange(SURFACE_LANDMARKS), eyes[1].landmarks, eyes[0].landmarks])
    return RawHead(
        vertices=(points + offset) / 1000,
        triangles=triangles,
        uvs=uvs,
        uv_triangles=uv_triangles,
        embedding_vertices=np.tile(embedding[:, None], (1, 3)),
        embedding_weights=np.tile((1.0, 0.0, 0.0), (LANDMARK_COUNT, 1)),
        regions=regions,
        colours=paint(points, regions, centres),
        joint_regressor=joint_regressor(points, jaw, regions["neck_ring"], eyes, centres),
        skinning_weights=skin_weights(points, jaw, eyes),
        mirror=_mirror_ids(points, triangles),
        triangle_parts=parts,
        eye_centres=(np.stack(centres) + offset) / 1000,
    )


def _offset(landmarks: NDArray[np.float64]) -> Points:
    """Millimetres from the sculpture's frame to that of the landmarks."""
    ids = list(FRAME_LANDMARKS)
    y_z = landmarks[ids, 1:] * 1000 - np.array([FRAME_LANDMARKS[i] for i in ids])
    return np.array([0.0, *y_z.mean(0)])


def _add_skin(clay: Clay, patch: FacePatch) -> tuple[Ids, Points]:
    """Lay the face and a hood that continues it fairly; the hood's ids [ROWS + 1, 72], the oval first."""
    grid = whole_ring(hood(patch.points[patch.oval[:37]]))
    rough = np.concatenate([patch.points, grid.reshape(-1, 3)])
    ids = np.concatenate([patch.oval[None], len(patch.points) + np.arange(grid.shape[0] * 72).reshape(-1, 72)])
    triangles = np.concatenate([patch.triangles, flipped(grid_triangles(ids, closed=True))])
    free, pull, rows = np.zeros(len(rough), bool), np.zeros(len(rough)), np.ones(len(rough), bool)
    free[ids[1:-1]] = True
    pull[ids[1:]] = (0.02 * smoothstep(0, 6, np.arange(ROWS) * 1.0))[:, None]
    for loop in boundary_loops(triangles):
        rows[loop] = False
    points = fair(rough, triangles, pull, free, rows)
    open_face, nostrils = cut_nostrils(patch)
    points = with_open_nostrils(points, nostrils)
    clay.add(points)
    clay.cover("face", open_face)
    for loop, tip in nostrils:
        add_nostril(clay, loop, tip, points)
    return ids, points


def _add_details(
    clay: Clay, patch: FacePatch, skin: Points, hood_ids: Ids, regions: dict[str, Ids]
) -> tuple[tuple[Eyeball, Eyeball], tuple[Points, Points]]:
    columns = np.arange(72)
    mirror = dict(zip(hood_ids.ravel().tolist(), hood_ids[:, -columns % 72].ravel().tolist(), strict=True))
    hood_triangles = flipped(grid_triangles(hood_ids, closed=True))
    kept, ears = add_ears(clay, skin, hood_triangles, hood_ids[:12].ravel(), mirror)
    clay.cover("hood", kept)
    regions.update({f"ear_{side}": ids for side, ids in ears.items()})
    lids = skin[patch.eye_left]
    centre = eye_centre(lids, np.array([0.0, 0.0, 1.0]))
    centres = (centre, mirror_points(centre))
    for side, loop, middle in (("left", patch.eye_left, centres[0]), ("right", patch.eye_right, centres[1])):
        regions[f"socket_{side}"] = add_socket(clay, loop, skin[loop], middle, side)
    lips = skin[patch.lips]
    regions["mouth_bag"] = add_pocket(clay, patch.lips, lips)
    balls = (add_eyeball(clay, centres[0], "left"), add_eyeball(clay, centres[1], "right"))
    stomion = (lips[10] + lips[30]) / 2
    regions["teeth_upper"] = add_teeth(clay, stomion, upper=True)
    regions["teeth_lower"] = add_teeth(clay, stomion, upper=False)
    gums = [add_gum(clay, stomion, upper) for upper in (True, False)]
    regions["gums_upper"], regions["gums_lower"] = gums
    regions["gums"] = np.concatenate(gums)
    regions["tongue"] = add_tongue(clay, stomion)
    return balls, centres


def _mirror_ids(points: Points, triangles: Ids) -> Ids:
    normals = vertex_normals(points, triangles)  # tells vertices apart that touch, as those of the two lips do
    _, partner = cKDTree(np.concatenate([points, normals], 1)).query(
        np.concatenate([mirror_points(points), mirror_points(normals)], 1)
    )
    return np.asarray(partner, np.int64)
