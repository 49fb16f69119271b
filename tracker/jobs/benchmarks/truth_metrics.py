"""How far a track is from the truth. Every number is defined here once; frames that were not tracked are NaN.

Two head models need not agree which way "straight ahead" is: the tracked head's frame is taken to the true one's by the
rotation that lays one neutral face's landmarks on the other's (`frames_apart`), the same for all people of a model.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from models.arkit_names import ARKIT_NAMES
from models.camera import FACING
from models.head import Head, embed
from tracker.metrics import correlation, gain

Floats = NDArray[np.float64]

SKIN = slice(0, 468)
NEAR_PEAK = 0.9  # of a rise
ALIVE, CLEAN = 0.3, 0.8  # the own weight at least; others at most, of the own
TURNS = ("pitch", "yaw", "roll")


@dataclass(frozen=True)
class TruthTrack:
    """T frames, true and tracked."""

    rotation: Floats  # [T, 3, 3] of T_camera_head
    rotation_fit: Floats  # [T, 3, 3] likewise, already in the true head's frame
    landmarks_m: Floats  # [T, L, 3] in the camera frame
    landmarks_m_fit: Floats  # [T, L, 3]
    gaze: Floats  # [T, 3] unit, in the camera frame: between the eyes
    gaze_fit: Floats  # [T, 3]
    weights: Floats  # [T, 52]
    weights_fit: Floats  # [T, 52]

    def __getitem__(self, frames: slice) -> "TruthTrack":
        return TruthTrack(*(getattr(self, name)[frames] for name in self.__dataclass_fields__))

    @property
    def tracked(self) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(self.rotation_fit).all((1, 2)))


def frames_apart(true: Head, tracked: Head) -> Floats:
    """[3, 3] from the tracked head's frame to the true one's: neutral landmarks on neutral landmarks."""
    a, b = (embed(head.embedding, head.template).double().numpy()[SKIN] for head in (tracked, true))
    return similarity(a, b)[0]


def similarity(a: Floats, b: Floats) -> tuple[Floats, float, Floats]:
    """Rotation, scale and shift that carry points a [N, 3] onto b best (Umeyama 1991)."""
    from_a, from_b = a - a.mean(0), b - b.mean(0)
    u, s, vh = np.linalg.svd(from_b.T @ from_a)
    sign = np.array((1, 1, np.sign(np.linalg.det(u @ vh))))
    rotation = u @ np.diag(sign) @ vh
    scale = float((s * sign).sum() / (from_a**2).sum())
    return np.asarray(rotation), scale, b.mean(0) - scale * rotation @ a.mean(0)


# The head.


def rotation_errors(track: TruthTrack) -> Floats:
    """[T] degrees between the true and the tracked rotation."""
    out = np.full(len(track.rotation), np.nan)
    ok = track.tracked
    apart = track.rotation_fit[ok] @ track.rotation[ok].transpose(0, 2, 1)
    out[ok] = np.degrees(np.linalg.norm(Rotation.from_matrix(apart).as_rotvec(), axis=1))
    return out


def turns(rotation: Floats) -> Floats:
    """T_camera_head's rotation [T, 3, 3] to pitch, yaw and roll in degrees [T, 3]: see `film.head_turn`."""
    head = np.asarray(FACING).T @ rotation
    pitch = np.arcsin(np.clip(-head[:, 1, 2], -1, 1))
    yaw = np.arctan2(head[:, 0, 2], head[:, 2, 2])
    roll = np.arctan2(head[:, 1, 0], head[:, 1, 1])
    return np.asarray(np.degrees(np.stack([pitch, yaw, roll], 1)))


def turn_slopes(track: TruthTrack) -> dict[str, float]:
    """Regression of the tracked on the true angle, by axis."""
    ok = track.tracked
    true, fitted = turns(track.rotation[ok]), turns(track.rotation_fit[ok])
    return {name: gain(true[:, axis], fitted[:, axis]) for axis, name in enumerate(TURNS)}


def position_errors(track: TruthTrack) -> tuple[Floats, Floats]:
    """Of the landmarks' middle: [T] mm, and [T] % of the true depth."""
    true, fitted = (points[:, SKIN].mean(1) for points in (track.landmarks_m, track.landmarks_m_fit))
    return 1e3 * np.linalg.norm(fitted - true, axis=1), 100 * np.abs(fitted[:, 2] / true[:, 2] - 1)


def shape_and_scale(track: TruthTrack) -> tuple[Floats, Floats]:
    """[T] mean distance of the landmarks after similarity alignment, mm; [T] the fit's size over the true one."""
    distance, size = np.full((2, len(track.rotation)), np.nan)
    for k in np.flatnonzero(track.tracked):
        a, b = track.landmarks_m_fit[k, SKIN], track.landmarks_m[k, SKIN]
        rotation, scale, shift = similarity(a, b)
        distance[k] = 1e3 * np.linalg.norm(scale * a @ rotation.T + shift - b, axis=1).mean()
        size[k] = 1 / scale
    return distance, size


# Eyes.


def gaze_errors(track: TruthTrack) -> Floats:
    """[T] degrees between where the eyes look and where they are said to look, in the camera frame."""
    return np.asarray(np.degrees(np.arccos(np.clip((track.gaze * track.gaze_fit).sum(1), -1, 1))))


def gaze_correlation(track: TruthTrack) -> float:
    """The mean of sideways and up-and-down."""
    return float(np.mean([correlation(track.gaze[:, axis], track.gaze_fit[:, axis]) for axis in (0, 1)]))


# ARKit's weights.


@dataclass(frozen=True)
class Rise:
    """What one shape's rise left in the weights, near its peak."""

    own: float  # the weaker side
    loudest_other: str
    other: float

    @property
    def alive(self) -> bool:
        return self.own > ALIVE

    @property
    def clean(self) -> bool:
        return self.alive and self.other <= CLEAN * self.own


def rise_of(track: TruthTrack, shapes: tuple[str, ...]) -> Rise:
    """`track` is one motion from 0 to 1 and back; weights are medians over the frames near its peak."""
    own = [ARKIT_NAMES.index(name) for name in shapes]
    peak = (track.weights[:, own].min(1) >= NEAR_PEAK) & track.tracked
    if not peak.any():
        return Rise(0.0, "not tracked", 1.0)
    weights = np.median(track.weights_fit[peak], 0)
    others = np.delete(weights, own)
    loudest = int(others.argmax())
    return Rise(float(weights[own].min()), np.delete(ARKIT_NAMES, own)[loudest], float(others[loudest]))


def mixed_correlation(track: TruthTrack, shapes: tuple[str, ...]) -> dict[str, float]:
    """Correlation of tracked and true weight over time, by shape; a weight that never moves has none: 0."""
    ok = track.tracked
    return {
        name: float(np.nan_to_num(correlation(track.weights[ok, k], track.weights_fit[ok, k])))
        for name, k in ((name, ARKIT_NAMES.index(name)) for name in shapes)
    }
