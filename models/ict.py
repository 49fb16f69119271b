"""ICT-FaceKit as a `Head`: 100 modes of identity, Apple's 40 shapes, jaw and eyes on joints (`models/ict_rig.py`).

Shapes bear Apple's names: the kit's halves of browInnerUp and cheekPuff are added up, tongueOut it has not. jawOpen,
jawLeft, jawRight and the eight eyeLook are rotations. Modes and shapes whose files are missing are left out.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import colours
from models.arkit_names import EXPRESSION_SHAPES
from models.head import Head, float_tensor
from models.ict_eyes import IRIS_M, away_from_axis, known_ict_landmarks
from models.ict_files import IctFiles, Progress, read_ict_files
from models.ict_parts import PARTS, SHELLS, VERTICES
from models.ict_rig import GAZE, Rig, rig_ict
from models.known_landmarks import whole_embedding
from models.types import Prior

Array = NDArray[Any]

NAME = "ICT-FaceKit"
LICENCE = "MIT (USC Institute for Creative Technologies)"


def read_ict(folder: Path, progress: Progress | None = None) -> Head:
    """The kit in the folder, or in its FaceXModel; some 20 s where all of it is there."""
    tell = progress or (lambda done, total: None)
    files = read_ict_files(folder, lambda done, total: tell(done, 2 * total))  # finding landmarks takes as long
    rig = rig_ict(files.neutral, files.expressions)
    names = tuple(name for name in EXPRESSION_SHAPES if name in files.expressions)
    template, triangles = float_tensor(files.neutral), torch.from_numpy(files.triangles)
    embedding = whole_embedding(template, triangles, known_ict_landmarks(files.neutral, files.triangles))
    tell(1, 1)
    return Head(
        name=NAME,
        licence=LICENCE,
        sha256=files.sha256,
        template=template,
        identity_basis=float_tensor(files.identity),
        expression_basis=float_tensor(_expression_basis(files, rig, names)),
        expression_names=names,
        joint_regressor=float_tensor(rig.regressor),
        skinning_weights=float_tensor(rig.weights),
        pose_basis=float_tensor(rig.pose),
        triangles=triangles,
        uvs=float_tensor(files.uvs),
        uv_triangles=torch.from_numpy(files.uv_triangles),
        embedding=embedding,
        expression_prior=_prior([0.2] * len(names), [-0.15] * len(names), [1.15] * len(names)),
        # The limits of jaw and eyes are the kit's full shapes.
        jaw_prior=_prior((0.12, 0.03, 0.02), (-0.03, -rig.jaw_side, -0.03), (rig.jaw_open, rig.jaw_side, 0.03)),
        eyes_prior=_prior((0.15, 0.2, 0.02), (-GAZE, -GAZE, -0.1), (GAZE, GAZE, 0.1)),
        regions=_regions(files.neutral),
        colours=_colours(files.neutral),
    )


def _expression_basis(files: IctFiles, rig: Rig, names: tuple[str, ...]) -> Array:
    """[V, 3, E]. mouthClose closes lips over an open jaw: it is turned back, so that it fits after the jaw's turn."""
    columns = []
    for name in names:
        offsets = files.expressions[name]
        if name == "mouthClose":
            offsets = np.linalg.solve(rig.opened, offsets[:, :, None])[:, :, 0]
        columns.append(offsets)
    return np.stack(columns, 2) if columns else np.zeros((VERTICES, 3, 0))


def _regions(neutral: Array) -> dict[str, Tensor]:
    regions = {name: torch.tensor(ids) for name, ids in PARTS.items()}
    for side, shell in zip(("left", "right"), SHELLS, strict=True):
        from_axis = away_from_axis(neutral[list(shell)])
        ids = np.array(shell)
        regions[f"iris_{side}"] = torch.from_numpy(ids[from_axis <= 1.05 * IRIS_M])
        regions[f"pupil_{side}"] = torch.from_numpy(ids[from_axis <= 0.35 * IRIS_M])
    return regions


def _colours(neutral: Array) -> Tensor:
    painted = torch.tensor(colours.SKIN).expand(VERTICES, 3).clone()
    regions = _regions(neutral)
    layers = (
        ("mouth_bag", colours.MOUTH),
        *(("socket_left", colours.MOUTH), ("socket_right", colours.MOUTH), ("gums", colours.GUMS)),
        *(("teeth_upper", colours.TEETH), ("teeth_lower", colours.TEETH)),
        *(("eyeball_left", colours.EYEBALL), ("eyeball_right", colours.EYEBALL)),
        *(("iris_left", colours.IRIS), ("iris_right", colours.IRIS)),
        *(("pupil_left", colours.PUPIL), ("pupil_right", colours.PUPIL)),
    )
    for region, colour in layers:
        painted[regions[region]] = torch.tensor(colour)
    return painted


def _prior(std: object, low: object, high: object) -> Prior:
    return Prior(*(torch.tensor(values, dtype=torch.float32) for values in (std, low, high)))
