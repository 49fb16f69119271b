"""What the detector does, learned from people of the studio: `tracker/calibration.py`, `models/builtin/responses.npz`.

    python -m tracker.jobs.calibration --films FOLDER -o models/builtin/responses.npz

Each of the `casting.CASTS` is filmed, detected and tracked as it stands, without any correction (a minute or less each;
kept in FOLDER, so that it may be broken off). The table is written, the numbers of the calibration are printed.
Responses and gaze are learned from built-in heads alone; the nod, whose size differs between models of heads, and the
lens from ICT-FaceKit's too where its files are at hand.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.arkit import FULL_LOOK, mirror_landmarks
from models.arkit_learned import OUTER_CORNERS, SKIN, background, shown_in_head
from models.arkit_names import ARKIT_NAMES, mirror_name
from models.camera import FACING
from models.head import Head
from models.library import load_head
from models.npz import read_npz, write_npz
from render.studio.motion import MIXED_SHAPES, SINGLE_MOTIONS
from tracker.calibration import along, nod_of
from tracker.fit import PersonFitter
from tracker.gaze import iris_place
from tracker.jobs.benchmarks.clips import NoDetector
from tracker.jobs.benchmarks.truth_metrics import frames_apart
from tracker.jobs.benchmarks.truth_rig import Filmed, film_acts, follow_film
from tracker.jobs.casting import CASTS
from tracker.tracker import HeadTracker

Floats = NDArray[np.float64]

SHAPES = {shape for motion in MIXED_SHAPES for shape in SINGLE_MOTIONS[motion]} | {"jawOpen"}
SOLVED = tuple(name for name in ARKIT_NAMES if name in SHAPES)
COMPONENTS = 200  # of the landmarks' offsets
WEIGHT_STD = 0.3
SPARSITY = 1.0  # the pull towards 0, which stands for most weights being 0 most of the time
LEAST_NOISE = 0.03  # of the mean variance left over: real faces stray in more directions than filmed ones
RIDGE = 1e-5  # of a frame


class Uncorrected(NoDetector):
    name = "uncorrected"


@dataclass(frozen=True)
class Played:
    """Frames of one person: what was fitted, and what was true."""

    act: NDArray[np.str_]  # [T]
    rotation: Floats  # [T, 3, 3] fitted, in the tracked head's frame
    rotation_true: Floats  # likewise
    offsets: NDArray[np.float32]  # [T, 468, 3] detected landmarks less those at rest, head frame, IOD
    middle: Floats  # [T, 3] of the fitted landmarks in the camera frame
    iris: Floats  # [T, 2] the irises' place as `tracker.gaze` reads it
    eyes: Floats  # [T, 2] true pitch and yaw
    weights: Floats  # [T, 52] true
    lens: Floats  # [1] fitted focal length over the true one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.films.mkdir(parents=True, exist_ok=True)
    people = {name: list(everybody(name, arguments.films)) for name in CASTS}
    write_npz(arguments.output, learn_responses([one for name in people if name != "ict" for one in people[name]]))
    kinds = [people[name] for name in ("builtin", "ict") if people[name]]
    for number, value in learn_calibration(kinds).items():
        print(f"{number:12s} {value:.4f}")


def everybody(name: str, folder: Path) -> Iterator[Played]:
    """The people of one cast, from the folder where they have been filmed before."""
    cast = CASTS[name]
    for seed in cast.seeds:
        file, head = folder / f"{name}_{seed}.npz", cast.head_of(seed)
        if head is None:
            return
        if not file.exists():
            print(f"filming {name} {seed}", flush=True)
            write_npz(file, vars(follow(film_acts(head, seed, cast.acts_of(seed)), head)))
        yield Played(**read_npz(file))


def follow(filmed: Filmed, played: Head) -> Played:
    head = load_head()
    tracker = HeadTracker(head, Uncorrected())
    results = follow_film(filmed, tracker)[: len(filmed.shots)]
    assert tracker.identity is not None
    rest = PersonFitter(head).neutral_of(tracker.identity.shape).numpy()
    unit = np.linalg.norm(rest[OUTER_CORNERS[0]] - rest[OUTER_CORNERS[1]])
    apart = frames_apart(played, head)
    names = np.repeat([act.name for act in filmed.acts], [len(act.motion) for act in filmed.acts])
    rows: dict[str, list[object]] = {name: [] for name in Played.__dataclass_fields__}
    for name, shot, result in zip(names, filmed.shots, results, strict=True):
        if result.camera is None or result.fitted_m is None or result.landmarks is None:
            continue
        rotation = result.camera.rotation.numpy()
        shown = shown_in_head(result.landmarks, result.camera, result.fitted_m)
        rows["act"].append(name)
        rows["rotation"].append(rotation)
        rows["rotation_true"].append(shot.camera.rotation.numpy() @ apart)
        rows["offsets"].append((shown - rest[SKIN]) / unit)
        rows["middle"].append(result.fitted_m[SKIN].mean(0))
        rows["iris"].append(iris_place(result.landmarks.points_px, result.camera, result.fitted_m)[0])
        rows["eyes"].append(shot.params.eyes.numpy()[:, :2].mean(0))
        rows["weights"].append(shot.weights)
    lens = tracker.identity.focal_px / float(filmed.shots[0].camera.focal_px)
    return Played(**{name: np.array(values) for name, values in rows.items() if name != "lens"}, lens=np.array([lens]))


# What the offsets say of the weights.


def learn_responses(people: list[Played]) -> dict[str, NDArray[np.generic]]:
    """Offsets as a linear answer to weights, turning and gaze, and noise; both mirrored too. See `LearnedResponses`."""
    solved = [ARKIT_NAMES.index(name) for name in SOLVED]
    offsets, causes = (np.concatenate(both) for both in zip(*(_examples(one, solved) for one in people), strict=True))
    modes = np.linalg.eigh((offsets.T @ offsets).astype(np.float64))[1][:, : -COMPONENTS - 1 : -1]
    seen = offsets @ modes
    answers = np.linalg.solve(causes.T @ causes + RIDGE * len(causes) * np.eye(causes.shape[1]), causes.T @ seen)
    left = seen - causes @ answers
    noise = left.T @ left / len(left)
    noise += LEAST_NOISE * np.trace(noise) / len(noise) * np.eye(len(noise))
    of_weights, of_others = answers[: len(solved)], answers[len(solved) :]
    pull = np.linalg.solve(noise, of_weights.T)  # [components, K]
    whole = modes @ pull
    scale = np.abs(whole).max(0) / 32767
    beside = of_others @ pull
    beside[-1] += SPARSITY  # of the constant 1
    return {
        "names": np.array(SOLVED),
        "pull": np.round(whole / scale).astype(np.int16),
        "pull_scale": scale.astype(np.float32),
        "background": beside.astype(np.float32),
        "normal": (of_weights @ pull + np.eye(len(solved)) / WEIGHT_STD**2).astype(np.float32),
    }


def _examples(one: Played, solved: list[int]) -> tuple[NDArray[np.float32], Floats]:
    """Offsets [2 T, 3 * 468] and what caused them [2 T, K + 8], as they were and mirrored."""
    partner = [ARKIT_NAMES.index(mirror_name(name)) for name in ARKIT_NAMES]
    flip = np.array((-1, 1, 1, 1, -1, 1, -1, 1))  # of `background`
    beside = np.array([background(r, e / FULL_LOOK) for r, e in zip(one.rotation, one.eyes, strict=True)])
    mirrored = one.offsets[:, mirror_landmarks()] * np.array((-1, 1, 1), np.float32)
    return (
        np.concatenate([one.offsets, mirrored]).reshape(2 * len(beside), -1),
        np.concatenate(
            [
                np.column_stack((one.weights[:, solved], beside)),
                np.column_stack((one.weights[:, partner][:, solved], beside * flip)),
            ]
        ),
    )


# What is off on everybody.


def learn_calibration(kinds: list[list[Played]]) -> dict[str, float]:
    """The numbers of `tracker.calibration.Calibration`; of the nod, each kind of head says half."""
    nods = np.mean([np.mean([_nod_line(one) for one in people], 0) for people in kinds], 0)
    lens = np.mean([np.log(one.lens[0]) for people in kinds for one in people])
    looks = [(one.iris[one.act == "gaze"], one.eyes[one.act == "gaze"]) for one in kinds[0]]
    iris, eyes = (np.concatenate(parts) for parts in zip(*looks, strict=True))
    pitch = np.polyfit(iris[:, 1], eyes[:, 0], 1)
    return {
        "nod_degrees": float(np.degrees(nods[1])),
        "nod_share": float(nods[0]),
        "perspective": float(np.exp(-lens)),
        "gaze.pitch": float(-pitch[0]),
        "gaze.yaw": float(iris[:, 0] @ eyes[:, 1] / (iris[:, 0] @ iris[:, 0])),
        "gaze.level": float(-pitch[1] / pitch[0]),
    }


def _nod_line(one: Played) -> Floats:
    """[2] the share of a nod that is missing, and by how much a straight face is seen to look down; radians."""
    upright = np.array(FACING).T
    seen, true = (
        np.array([nod_of(upright @ along(m).T @ r) for m, r in zip(one.middle, turns, strict=True)])
        for turns in (one.rotation, one.rotation_true)
    )
    share, straight = np.polyfit(seen, true - seen, 1)
    return np.array((share, -straight))


if __name__ == "__main__":
    main()
