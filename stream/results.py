"""Tracking results in the words of the wire."""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from models.arkit_names import ARKIT_NAMES
from models.head import Head
from models.types import JOINT_NAMES, Identity, TrackResult
from stream.protocol import CameraPose, HeadFacts, IdentityMessage, Params, TimesMs

WEIGHT_DIGITS = 5  # of weights and angles
METRE_DIGITS = 6


def params_message(result: TrackResult, rtp_time: int, queue_ms: float) -> Params:
    times = TimesMs(round(queue_ms, 2), round(result.detect_ms, 2), round(result.fit_ms, 2))
    params, camera = result.params, result.camera
    if params is None or camera is None:
        return Params(
            result.index, rtp_time, result.time_s, result.state.value,
            None, None, None, None, None, None, None, times,
        )  # fmt: skip
    pose = CameraPose(
        rotation=[round(number, METRE_DIGITS) for number in wxyz(camera.rotation.tolist())],
        translation=numbers(camera.translation, METRE_DIGITS),
        focal_px=round(float(camera.focal_px), 2),
        size_px=result.size_px,
    )
    return Params(
        index=result.index,
        rtp_time=rtp_time,
        time_s=result.time_s,
        state=result.state.value,
        expression=numbers(params.expression),
        jaw=numbers(params.jaw),
        eyes=[numbers(params.eyes[0]), numbers(params.eyes[1])],
        neck=numbers(params.neck),
        camera=pose,
        blendshapes=None if result.blendshapes is None else numbers(result.blendshapes),
        error_iod=None if result.error_iod is None else round(result.error_iod, WEIGHT_DIGITS),
        times_ms=times,
    )


def wxyz(matrix: list[list[float]]) -> list[float]:
    """[3, 3] -> unit quaternion with w >= 0: as `models.rotations` does, a hundred times as fast for a single one."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = matrix
    x, y, z = zy - yz, xz - zx, yx - xy
    rows = (
        (1 + xx + yy + zz, x, y, z),
        (x, 1 + xx - yy - zz, yx + xy, xz + zx),
        (y, yx + xy, 1 - xx + yy - zz, zy + yz),
        (z, xz + zx, zy + yz, 1 - xx - yy + zz),
    )
    best = max(range(4), key=lambda row: rows[row][row])
    length = math.copysign(math.hypot(*rows[best]), rows[best][0])
    return [part / length for part in rows[best]]


def identity_message(identity: Identity, revision: int, path: str) -> IdentityMessage:
    return IdentityMessage(
        shape=numbers(identity.shape),
        neutral=None if identity.neutral is None else numbers(identity.neutral),
        focal_px=round(identity.focal_px, 2),
        size_px=identity.size_px,
        head=identity.head,
        head_sha256=identity.head_sha256,
        revision=revision,
        glb=f"{path}/head.glb",
        texture=f"{path}/texture.png",
    )


def head_facts(head: Head) -> HeadFacts:
    return HeadFacts(
        name=head.name,
        sha256=head.sha256,
        licence=head.licence,
        shape_size=head.identity_size,
        expression_names=list(head.expression_names),
        blendshape_names=list(ARKIT_NAMES),
        joint_names=list(JOINT_NAMES),
    )


def numbers(values: torch.Tensor | NDArray[np.float32], digits: int = WEIGHT_DIGITS) -> list[float]:
    """Short decimals: float32 spelled as JSON's float64 would be twice as long and no better."""
    return [round(value, digits) for value in values.tolist()]
