"""The built-in head's 40 named shapes, authored from anatomy: each is a function of the head it moves.

`author_expressions(head)` describes the head's left side (`anatomy.py`), runs every shape's author, and mirrors.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.arkit_names import EXPRESSION_SHAPES, mirror_name
from tracker.jobs.builtin_head.anatomy import Anatomy
from tracker.jobs.builtin_head.anatomy_of_head import anatomy_of_head
from tracker.jobs.builtin_head.assemble import RawHead
from tracker.jobs.builtin_head.brows import BROW_SHAPES
from tracker.jobs.builtin_head.cheeks import CHEEK_SHAPES
from tracker.jobs.builtin_head.jaw import close_over, corner_corrective, side_angle, yawn_angle
from tracker.jobs.builtin_head.lids import LID_SHAPES, follow_gaze
from tracker.jobs.builtin_head.lips import LipMotion, even, move_lips
from tracker.jobs.builtin_head.mouth_shapes import MOUTH_SHAPES
from tracker.jobs.builtin_head.surface import Floats

Author = Callable[[Anatomy], Floats]

JAW_ROW, LEFT_EYE_ROW, RIGHT_EYE_ROW = (
    9,
    18,
    27,
)  # where each joint's nine entries of R - 1 begin; the neck's come first
TRACE_M = 5e-6
JAW_FORWARD_MM = (0.0, -0.4, 7.0)
JAW_FORWARD_LIPS = LipMotion(
    upper=even((0, -0.3, 2.6, 0), (0, -0.2, 2.2, 0), (0, 0, 0.4, 0)),
    lower=even((0, 1.2, -0.6, 6), (0, 1.0, -0.5, 5), (0, 0, 0, 0)),
    reach_mm=20,
)


@dataclass(frozen=True)
class Expressions:
    """What moves the built-in head, beside its joints. Metres, radians."""

    deltas: Floats  # [V, 3, 40] at weight 1, in the order of EXPRESSION_SHAPES
    pose_basis: Floats  # [V, 3, 36]
    jaw_open_angle: float  # about x at jawOpen 1
    jaw_side_angle: float  # about y at jawLeft 1


def author_expressions(head: RawHead) -> Expressions:
    return author_shapes(anatomy_of_head(head))


def author_shapes(face: Anatomy) -> Expressions:
    corrective = corner_corrective(face)
    angle = yawn_angle(face, corrective)
    authors: dict[str, Author] = {
        **LID_SHAPES,
        **BROW_SHAPES,
        **CHEEK_SHAPES,
        **MOUTH_SHAPES,
        "mouthClose": lambda face: close_over(face, angle, corrective),
    }
    shapes = {name: author(face) * face.soft[:, None] for name, author in authors.items()}
    shapes["jawForward"] = jaw_forward(face)  # the one that moves teeth and tongue
    for name, shape in list(shapes.items()):
        # A symmetric shape is made exactly so; a left one gets its partner.
        other = mirror_name(name)
        shapes[other] = face.mirrored(shape) if other != name else (shape + face.mirrored(shape)) / 2
    deltas = np.stack([shapes[name] for name in EXPRESSION_SHAPES], -1)
    return Expressions(_without_traces(deltas), _without_traces(_pose_basis(face, corrective)), angle, side_angle(face))


def jaw_forward(face: Anatomy) -> Floats:
    """Whatever hangs on the jaw comes with it, teeth and tongue as they are; the lips keep touching."""
    lips = move_lips(face, JAW_FORWARD_LIPS)
    return np.asarray(face.jaw_share[:, None] * (np.asarray(JAW_FORWARD_MM) * face.mm) + lips)


def _pose_basis(face: Anatomy, corrective: Floats) -> Floats:
    """Correctives by the entries of R - 1: mouth corners by how wide the jaw opens, lids by the pitch of the eye."""
    basis = np.zeros((*face.vertices.shape, 36))
    basis[:, :, JAW_ROW + _entry(1, 1)] = (corrective + face.mirrored(corrective)) / 2
    turning, arching = follow_gaze(face)
    for row, mirrored in ((LEFT_EYE_ROW, False), (RIGHT_EYE_ROW, True)):
        first, second = (face.mirrored(part) if mirrored else part for part in (turning, arching))
        # sin(pitch) stands at R[2, 1] and, negative, at R[1, 2]; cos(pitch) - 1 at R[1, 1].
        basis[:, :, row + _entry(2, 1)] = first / 2
        basis[:, :, row + _entry(1, 2)] = -first / 2
        basis[:, :, row + _entry(1, 1)] = second
    return basis


def _without_traces(basis: Floats) -> Floats:
    """Smoothing leaves motions of micrometres all over the head: nobody sees them, every file would carry them."""
    moved = np.linalg.norm(basis, axis=1, keepdims=True)
    return np.asarray(basis * (moved > TRACE_M))


def _entry(row: int, column: int) -> int:
    return 3 * row + column
