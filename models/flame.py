"""FLAME as a `Head`: its parameters stay FLAME's own, 300 of identity and 100 of expression, jaw, eyes and neck.

The files are the user's: none comes with Mien. Landmarks come from the embeddings beside the model where they are,
iris landmarks from the eyeballs' vertices, all others from fitting the built-in head to the mesh.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import colours
from models.cylinder_uvs import cylinder_uvs
from models.flame_companions import (
    SurfacePoints,
    read_contour_points,
    read_eyelids,
    read_masks,
    read_mediapipe_points,
    read_uvs,
)
from models.flame_files import EXPRESSIONS, IDENTITY, VERTICES, FlameArrays, read_flame_arrays
from models.head import Head, float_tensor
from models.known_landmarks import KnownLandmarks, Spot, at_vertex, known_landmarks, whole_embedding
from models.types import Prior

Array = NDArray[Any]

LICENCES = {
    "FLAME 2023 Open": "CC-BY-4.0, with bans on pornographic, fake and libellous uses; credit Li et al. 2017 (FLAME)",
}
ACADEMIC = "FLAME model licence: non-commercial research, no redistribution (flame.is.tue.mpg.de)"

LEFT_EYEBALL, RIGHT_EYEBALL = range(3931, 4477), range(4477, VERTICES)  # left is the subject's
RIGHT_IRIS = (4597, 4543, 4511, 4479, 4575)  # landmarks 468 to 472: the centre first
LEFT_IRIS = (4051, 3997, 3965, 3933, 4020)  # landmarks 473 to 477

# Points 0 to 16 of the jaw's outline -> the landmark at the same place; where two share one, neither is taken.
OUTLINE = {0: 127, 1: 234, 2: 93, 5: 136, 6: 150, 7: 176, 8: 152, 9: 400, 10: 379, 11: 365, 13: 361, 14: 323}
OUTLINE |= {15: 454, 16: 356}


def read_flame(path: Path, progress: Callable[[int, int], None] | None = None) -> Head:
    """The user's FLAME file, with whatever companions stand beside it; some seconds if landmarks must be found."""
    tell = progress or (lambda done, total: None)
    tell(0, 10)
    arrays = read_flame_arrays(path)
    tell(1, 10)
    eyelids = read_eyelids(path, arrays.template)
    shapes = np.concatenate((arrays.shapes, *(lid[:, :, None] for lid in eyelids.values())), 2)
    uvs, uv_triangles = read_uvs(path, arrays.triangles) or cylinder_uvs(arrays.template, _int64(arrays.triangles))
    template, triangles = float_tensor(arrays.template), torch.from_numpy(_int64(arrays.triangles))
    embedding = whole_embedding(template, triangles, known_flame_landmarks(path, arrays))
    tell(10, 10)
    return Head(
        name=arrays.version,
        licence=licence_of(arrays.version),
        sha256=arrays.sha256,
        template=template,
        identity_basis=float_tensor(shapes[:, :, :IDENTITY]),
        expression_basis=float_tensor(shapes[:, :, IDENTITY:]),
        expression_names=(*(f"expression{k:03d}" for k in range(EXPRESSIONS)), *eyelids),
        joint_regressor=float_tensor(arrays.joint_regressor),
        skinning_weights=float_tensor(arrays.weights),
        pose_basis=float_tensor(arrays.pose),
        triangles=triangles,
        uvs=float_tensor(uvs),
        uv_triangles=torch.from_numpy(_int64(uv_triangles)),
        embedding=embedding,
        expression_prior=_expression_prior(len(eyelids)),
        jaw_prior=_prior((0.15, 0.03, 0.02), (-0.05, -0.2, -0.1), (0.6, 0.2, 0.1)),
        eyes_prior=_prior((0.15, 0.2, 0.02), (-0.6, -0.8, -0.1), (0.6, 0.8, 0.1)),
        regions=_regions(path),
        colours=_colours(arrays.template),
    )


def licence_of(version: str) -> str:
    return LICENCES.get(version, ACADEMIC)


def known_flame_landmarks(path: Path, arrays: FlameArrays) -> KnownLandmarks:
    """Where the files beside the model and FLAME's eyeballs put landmarks."""
    spots: dict[int, Spot] = {}
    contour = read_contour_points(path)
    if contour is not None:
        for point, landmark in OUTLINE.items():
            spots[landmark] = _spot(arrays, contour, point)
    mediapipe = read_mediapipe_points(path)
    if mediapipe is not None:
        for point, landmark in enumerate(mediapipe[0]):
            spots[int(landmark)] = _spot(arrays, mediapipe[1], point)
    spots |= {468 + k: at_vertex(vertex) for k, vertex in enumerate((*RIGHT_IRIS, *LEFT_IRIS))}
    return known_landmarks(spots)


def _spot(arrays: FlameArrays, points: SurfacePoints, index: int) -> Spot:
    a, b, c = (int(vertex) for vertex in arrays.triangles[points.triangles[index]])
    u, v, w = (float(weight) for weight in points.weights[index])
    return (a, b, c), (u, v, w)


def _expression_prior(eyelids: int) -> Prior:
    """FLAME's bases come in standard deviations; an eyelid goes from open to closed."""
    std = (1.0,) * EXPRESSIONS + (0.3,) * eyelids
    return _prior(std, (-3.0,) * EXPRESSIONS + (0.0,) * eyelids, (3.0,) * EXPRESSIONS + (1.0,) * eyelids)


def _prior(std: tuple[float, ...], low: tuple[float, ...], high: tuple[float, ...]) -> Prior:
    return Prior(torch.tensor(std), torch.tensor(low), torch.tensor(high))


def _regions(path: Path) -> dict[str, Tensor]:
    """FLAME's own regions, sides named last as everywhere in Mien, and the eyeballs."""
    regions = {}
    for name, ids in read_masks(path).items():
        side, _, part = name.partition("_")
        regions[f"{part}_{side}" if side in ("left", "right") else name] = torch.from_numpy(ids)
    regions["eyeball_left"] = torch.tensor(LEFT_EYEBALL)
    regions["eyeball_right"] = torch.tensor(RIGHT_EYEBALL)
    return regions


def _colours(template: Array) -> Tensor:
    """Skin, and eyeballs with an iris as wide as the iris landmarks say."""
    painted = torch.tensor(colours.SKIN).expand(VERTICES, 3).clone()
    for eyeball, iris in ((LEFT_EYEBALL, LEFT_IRIS), (RIGHT_EYEBALL, RIGHT_IRIS)):
        painted[list(eyeball)] = torch.tensor(colours.EYEBALL)
        from_centre = np.linalg.norm(template - template[iris[0]], axis=1)
        radius = from_centre[list(iris[1:])].mean()
        ids = np.array(eyeball)
        painted[ids[from_centre[ids] <= 1.05 * radius]] = torch.tensor(colours.IRIS)
        painted[ids[from_centre[ids] <= 0.4 * radius]] = torch.tensor(colours.PUPIL)
    return painted


def _int64(array: Array) -> Array:
    return np.ascontiguousarray(array, dtype=np.int64)
