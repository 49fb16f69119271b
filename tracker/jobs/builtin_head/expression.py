"""How faces move: displacements from each person's neutral, what the named scores and turning the head do to them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.arkit_names import ARKIT_NAMES, EYE_ROTATIONS
from tracker.jobs.builtin_head.alignment import Aligned

Floats = NDArray[np.float64]

NEW_FRAME_M = 0.0004  # a frame counts as new when its landmarks moved this much (RMS) since the last one kept
CALM_FRACTION = 0.12  # of a clip's frames, the calmest, that show its neutral face
LIPS_UNIT_M, LIPS_REST_M = 0.005, 0.0004  # closed lips are drawn a little apart
RIDGE = 0.002  # against the scores' own variance, whose square roots are about 0.05 to 0.2
POSE_RIDGE = 0.0005  # radians squared


@dataclass(frozen=True)
class Person:
    """One clip or picture in the head frame."""

    name: str
    is_clip: bool
    faces: Floats  # [T, L, 3] metres
    yaw_pitch: Floats  # [T, 2] radians
    scores: Floats  # [T, N]


@dataclass(frozen=True)
class Responses:
    """Linear answers of the landmarks, in metres."""

    scores: Floats  # [N, 3 L] to a score of 1
    lips: Floats  # [3 L] to the lips parting by `LIPS_UNIT_M`, scores equal; zero unless asked for
    pose: Floats  # [P, 3 L] to the features of `pose_features`: the detector's own sliding, not the face's motion


def person(name: str, is_clip: bool, aligned: Aligned, scores: NDArray[np.float32]) -> Person:
    """Only frames that show something new, since a still face would otherwise outvote a lively one."""
    kept = [0]
    for t in range(1, len(aligned.points)):
        moved = aligned.points[t] - aligned.points[kept[-1]]
        if (moved**2).sum(-1).mean() > NEW_FRAME_M**2:
            kept.append(t)
    return Person(name, is_clip, aligned.points[kept], aligned.yaw_pitch[kept], scores[kept].astype(np.float64))


def pose_features(yaw_pitch: Floats) -> Floats:
    """[T, 2] to [T, 5]: yaw, pitch, their squares and their product."""
    yaw, pitch = yaw_pitch.T
    return np.stack([yaw, pitch, yaw**2, pitch**2, yaw * pitch], axis=1)


def lips_parted(faces: Floats) -> Floats:
    """[T, L, 3] to [T], in units of `LIPS_UNIT_M` beyond lips at rest."""
    return np.asarray((np.linalg.norm(faces[:, 13] - faces[:, 14], axis=-1) - LIPS_REST_M) / LIPS_UNIT_M)


def fit_responses(people: list[Person], *, lips_apart: bool = False) -> Responses:
    """Ridge regression of motion within clips; who they are cancels, each clip weighs the same.

    `lips_apart` takes the measured parting of the lips as one more cause, so that it can be undone exactly.
    """
    clips = [p for p in people if p.is_clip]
    inputs = np.concatenate([_centred(_causes(p, lips_apart)) for p in clips])  # [frames, scores + lips + pose]
    outputs = np.concatenate([_centred(p.faces.reshape(len(p.faces), -1)) for p in clips])
    count = clips[0].scores.shape[1]
    penalty = np.r_[np.full(count + 1, RIDGE), np.full(inputs.shape[1] - count - 1, POSE_RIDGE)] * len(clips)
    solution = np.linalg.solve(inputs.T @ inputs + np.diag(penalty), inputs.T @ outputs)
    return Responses(solution[:count], solution[count], solution[count + 1 :])


def _causes(p: Person, lips_apart: bool) -> Floats:
    return np.concatenate([p.scores, lips_parted(p.faces)[:, None] * lips_apart, pose_features(p.yaw_pitch)], axis=1)


def _centred(rows: Floats) -> Floats:
    """Without their mean, and scaled so that each clip counts once however long it is."""
    return np.asarray((rows - rows.mean(0)) / np.sqrt(len(rows)))


def calm_frames(p: Person) -> NDArray[np.int64]:
    """The calmest frames, lips closed: a mode rather than a mean, for who talks and smiles is seldom near the mean."""
    counted = [name not in EYE_ROTATIONS for name in ARKIT_NAMES]  # where the eyes look is no expression
    going_on = (p.scores[:, counted] ** 2).sum(1) + lips_parted(p.faces) ** 2
    count = max(1, int(np.ceil(CALM_FRACTION * len(p.faces))))
    return np.argsort(going_on, kind="stable")[:count].astype(np.int64)


def neutral_faces(people: list[Person], responses: Responses) -> tuple[Floats, Floats]:
    """[people, 3 L] neutral faces, seen straight, and [N] the scores of a face at rest.

    What the scores see beyond rest, lips apart, and what turning did to the detection, is taken off before the middle
    of the calm frames is taken.
    """
    calm = [calm_frames(p) for p in people]
    rest = np.median([np.median(p.scores[c], 0) for p, c in zip(people, calm, strict=True) if p.is_clip], axis=0)
    faces = []
    for p, c in zip(people, calm, strict=True):
        seen = (p.scores[c] - rest) @ responses.scores + np.outer(lips_parted(p.faces[c]), responses.lips)
        turned = pose_features(p.yaw_pitch[c]) @ responses.pose
        faces.append(np.median(p.faces[c].reshape(len(c), -1) - seen - turned, axis=0))
    return np.array(faces), rest


def displacements(people: list[Person], neutrals: Floats) -> list[Floats]:
    """Of each clip's frames from its person's neutral: [T, 3 L]."""
    moves = []
    for p, neutral in zip(people, neutrals, strict=True):
        if p.is_clip:
            moves.append(p.faces.reshape(len(p.faces), -1) - neutral)
    return moves


def reliability(people: list[Person]) -> Floats:
    """[N] how well halves of the clips agree on a score's response: mean cosine, 0 to 1; 0 where it never moves."""
    clips = sorted({p.name for p in people if p.is_clip})
    cosines = []
    for step in (step for step in (1, 2, 4) if step < len(clips)):
        half = {name for i, name in enumerate(clips) if (i // step) % 2}
        one = fit_responses([p for p in people if p.name in half]).scores
        other = fit_responses([p for p in people if p.name not in half]).scores
        scale = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        cosines.append((one * other).sum(1) / np.maximum(scale, 1e-12))
    return np.asarray(np.clip(np.mean(cosines, axis=0), 0.0, 1.0))
