"""Tracking results in the words of the wire."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

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
        rotation=numbers(wxyz(camera.rotation.numpy()), METRE_DIGITS),
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


def wxyz(matrix: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """[3, 3] -> unit quaternion with w >= 0, ten times as fast as the batched one in `models.rotations`."""
    x, y, z, w = Rotation.from_matrix(matrix).as_quat(canonical=True)
    return np.array((w, x, y, z))


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


def numbers(values: torch.Tensor | np.ndarray, digits: int = WEIGHT_DIGITS) -> list[float]:  # type: ignore[type-arg]
    """Short decimals: float32 spelled as JSON's float64 would be twice as long and no better."""
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
    rounded: list[float] = np.round(array.astype(np.float64), digits).tolist()
    return rounded
