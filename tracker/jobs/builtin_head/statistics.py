"""Step one of the built-in head: statistics of detected landmarks over a folder of faces.

    python -m tracker.jobs.builtin_head.statistics --faces FOLDER -o models/builtin/statistics.npz

FOLDER holds clips/ and images/. No picture and no single person's face is kept, only means, covariances' leading
directions and regressions. Step two makes the head from this file alone.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.types import MienError
from tracker.jobs.builtin_head.alignment import IRIS, align, camera_aligned, common_frame, upright, without_rigid
from tracker.jobs.builtin_head.expression import (
    Person,
    Responses,
    displacements,
    fit_responses,
    neutral_faces,
    person,
    reliability,
)
from tracker.jobs.builtin_head.identity import Seen, identity_covariance
from tracker.jobs.builtin_head.modes import leading_modes, second_moment
from tracker.jobs.builtin_head.observations import Observation, keep, observe
from tracker.jobs.builtin_head.statistics_file import Statistics, save_statistics
from tracker.jobs.builtin_head.symmetry import mirror_order, mirrored, mirrored_scores

Floats = NDArray[np.float64]

IDENTITY_MODES, EXPRESSION_MODES = 60, 100
PUPIL_DISTANCE_M = 0.062  # of adults looking at a camera: 63 mm, less what the eyes converge
MOST_YAW = 0.6  # radians; a picture turned further shows half a face
CLIP_DOUBT = 0.1  # of a clip's neutral, against 1 for a picture's
RIGHT_IRIS, LEFT_IRIS = list(range(468, 473)), list(range(473, 478))  # centre first


def derive(observations: list[Observation], *, with_reliability: bool = True) -> Statistics:
    """Statistics of what was seen; a mirror image of everybody counts too, so that nobody's side is preferred."""
    groups = [camera_aligned(seen.points) for seen in observations]
    mean, weights = common_frame(groups)
    order = mirror_order(mean)
    weights = (weights + weights[order]) / 2
    mean = upright((mean + mirrored(mean, order)) / 2)
    people = []
    for seen, group in zip(observations, groups, strict=True):
        one = person(seen.name, seen.is_clip, align(group, mean, weights), seen.scores)
        if one.is_clip or abs(one.yaw_pitch[0, 0]) < MOST_YAW:
            people += [one, _mirrored_person(one, order)]
    return _statistics_of(people, mean, weights, order, with_reliability)


def _mirrored_person(p: Person, order: NDArray[np.int64]) -> Person:
    faces, turned = mirrored(p.faces, order), p.yaw_pitch * (-1.0, 1.0)
    return Person(p.name, p.is_clip, faces, turned, p.scores[:, mirrored_scores()])


def _statistics_of(
    people: list[Person], mean: Floats, weights: Floats, order: NDArray[np.int64], with_reliability: bool
) -> Statistics:
    responses = fit_responses(people)
    neutrals, rest = neutral_faces(people, fit_responses(people, lips_apart=True))
    middle = neutrals.mean(0)
    size = _metric_factor(middle.reshape(mean.shape))
    moves = [_rows_without_irises(without_rigid(move, mean, weights)) for move in displacements(people, neutrals)]
    shape = (*mean.shape, -1)

    def at_landmarks(rows: Floats) -> Floats:
        return np.asarray(without_rigid(rows, mean, weights).T.reshape(shape) * size)

    expression = leading_modes(np.mean([second_moment(move) for move in moves], axis=0), EXPRESSION_MODES)
    identity = _identity_modes(people, without_rigid(neutrals - middle, mean, weights), moves, responses, rest)
    clips = [p for p in people if p.is_clip]
    return Statistics(
        mean=upright(middle.reshape(mean.shape)) * size,
        identity_modes=_irises_with_their_eyes(at_landmarks(identity.T)),
        expression_modes=_without_irises(at_landmarks(expression.T)),
        score_responses=_without_irises(at_landmarks(responses.scores)),
        score_reliability=reliability(people) if with_reliability else np.zeros(len(rest)),
        score_range=np.percentile(np.concatenate([p.scores for p in clips]) - rest, 99, axis=0),
        pose_responses=_without_irises(at_landmarks(responses.pose)),
        weights=weights,
        mirror=order,
        counts=np.array([len(clips) // 2, (len(people) - len(clips)) // 2, sum(len(p.faces) for p in clips) // 2]),
    )


def _identity_modes(
    people: list[Person], faces: Floats, moves: list[Floats], responses: Responses, rest: Floats
) -> Floats:
    clips = [p for p in people if p.is_clip]
    unexplained = [
        move - _rows_without_irises((p.scores - rest) @ responses.scores) for p, move in zip(clips, moves, strict=True)
    ]
    leftover = np.mean([second_moment(rows) for rows in unexplained], axis=0)
    doubt = np.array([CLIP_DOUBT if p.is_clip else 1.0 for p in people])
    return leading_modes(identity_covariance(Seen(faces, doubt), leftover), IDENTITY_MODES)


def _rows_without_irises(rows: Floats) -> Floats:
    kept = rows.reshape(len(rows), -1, 3).copy()
    kept[:, IRIS] = 0.0
    return np.asarray(kept.reshape(rows.shape))


def _without_irises(modes: Floats) -> Floats:
    modes[IRIS] = 0.0
    return modes


def _irises_with_their_eyes(modes: Floats) -> Floats:
    """Where someone happened to look is not who they are; how large their irises are is."""
    for iris, corners in ((RIGHT_IRIS, (33, 133)), (LEFT_IRIS, (362, 263))):
        modes[iris] += modes[list(corners)].mean(0) - modes[iris[0]]
    return modes


def _metric_factor(face: Floats) -> float:
    """From nominal size to metres.

    By the pupils' distance, because the detector draws irises too large: at this size its mean iris is 12.3 mm across,
    where eyes have 11.7. Outer and inner eye corners then come out at 87 and 33 mm, as people's do.
    """
    return float(PUPIL_DISTANCE_M / np.linalg.norm(face[RIGHT_IRIS[0]] - face[LEFT_IRIS[0]]))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tracker.jobs.builtin_head.statistics", description=__doc__)
    parser.add_argument("--faces", type=Path, required=True, help="folder with clips/ and images/")
    parser.add_argument("--scores-model", type=Path, help="face_landmarker.task (default: FACES/../models/)")
    parser.add_argument("--leave-out", metavar="PREFIX", help="without clips and pictures whose name starts so")
    parser.add_argument("--cache", type=Path, help="folder that keeps what the detector saw, for the next time")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.npz")
    options = parser.parse_args(arguments)
    model = options.scores_model or options.faces.parent / "models" / "face_landmarker.task"
    try:
        seen = keep(observe(options.faces, model, options.cache, print), options.leave_out)
        statistics = derive(seen)
    except MienError as error:
        print(error, file=sys.stderr)
        return 2
    save_statistics(options.output, statistics)
    clips, pictures, frames = statistics.counts
    print(f"{options.output}: {clips} clips, {pictures} pictures, {frames} different frames")
    return 0


if __name__ == "__main__":
    sys.exit(main())
