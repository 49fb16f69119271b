"""The rows of the truth: people of the studio filmed, detected, tracked and compared with what they really did.

They are built-in heads of random identity, and, where the kit's files are at hand, heads of ICT-FaceKit, another model
than the one tracked. Rows of the head's place, shape and eyes are taken from the other model where there is one.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from models.arkit_names import ARKIT_NAMES, EYE_ROTATIONS
from models.head import Head
from models.library import load_head
from models.types import MienError
from render.studio.motion import SINGLE_MOTIONS
from tracker.jobs.bench import Row, Settings, Tell, in_parallel
from tracker.jobs.benchmarks import truth_metrics as metrics
from tracker.jobs.benchmarks.clips import new_tracker
from tracker.jobs.benchmarks.truth_metrics import Floats, TruthTrack
from tracker.jobs.benchmarks.truth_rig import Session, film_session, track_session

PEOPLE = {"builtin": (1, 2, 3), "ict": (1, 2)}  # seeds
QUICK_PEOPLE = {"builtin": (1,), "ict": (1,)}
SAMPLE = Path(__file__).parents[4] / "shared" / "ict_facekit_sample"


def measure_truth(settings: Settings, tell: Tell) -> Iterator[Row]:
    people = QUICK_PEOPLE if settings.quick else PEOPLE
    kinds = [kind for kind in people if filmed_head(kind) is not None]
    tasks = [(kind, seed, settings.quick) for kind in kinds for seed in people[kind]]
    sessions = in_parallel(film_and_track, tasks, tell)
    by_kind = {kind: [s for s, task in zip(sessions, tasks, strict=True) if task[0] == kind] for kind in kinds}
    yield from truth_rows("true", by_kind.get("ict") or by_kind["builtin"])
    for kind in kinds:
        yield from truth_rows(f"true_{kind}", by_kind[kind])  # the same by model, without promises
    yield from shape_rows("true", by_kind["builtin"])
    if "ict" in kinds:
        yield from shape_rows("true_ict", by_kind["ict"])


def film_and_track(kind: str, seed: int, quick: bool) -> Session:
    filmed = filmed_head(kind)
    assert filmed is not None
    tracked = load_head()
    return track_session(film_session(filmed, seed, quick), new_tracker(tracked), metrics.frames_apart(filmed, tracked))


def filmed_head(kind: str) -> Head | None:
    """The head that plays; None where its files are not here."""
    if kind == "builtin":
        return load_head()
    for place in ("ict", SAMPLE):
        try:
            return load_head(place)
        except MienError:
            continue
    return None


def truth_rows(prefix: str, sessions: list[Session]) -> Iterator[Row]:
    heads = [session.acts["head"] for session in sessions]
    rotation = _all(heads, metrics.rotation_errors)
    yield Row(f"{prefix}.rotation.median", float(np.nanmedian(rotation)), "degrees")
    yield Row(f"{prefix}.rotation.p95", float(np.nanpercentile(rotation, 95)), "degrees")
    slopes = [metrics.turn_slopes(track) for track in heads]
    for axis in metrics.TURNS:
        yield Row(f"{prefix}.slope.{axis}", float(np.mean([slope[axis] for slope in slopes])))
    yield Row(f"{prefix}.position", float(np.nanmedian(_all(heads, lambda t: metrics.position_errors(t)[0]))), "mm")
    yield Row(f"{prefix}.depth", float(np.nanmedian(_all(heads, lambda t: metrics.position_errors(t)[1]))), "%")
    yield Row(f"{prefix}.shape", float(np.nanmedian(_all(heads, lambda t: metrics.shape_and_scale(t)[0]))), "mm")
    sizes = [float(np.nanmedian(metrics.shape_and_scale(track)[1])) for track in heads]
    yield Row(f"{prefix}.scale", 100 * float(np.mean(np.abs(np.array(sizes) - 1))), "%")
    gazes = [session.acts["gaze"] for session in sessions]
    yield Row(f"{prefix}.gaze.error", float(np.nanmedian(_all(gazes, metrics.gaze_errors))), "degrees")
    yield Row(f"{prefix}.gaze.correlation", float(np.mean([metrics.gaze_correlation(track) for track in gazes])), "r")
    yield Row(f"{prefix}.frozen", 100 * float(np.median([session.frozen_spread for session in sessions])), "% IOD")


def shape_rows(prefix: str, sessions: list[Session]) -> Iterator[Row]:
    """ARKit's shapes, as far as the head that plays has them."""
    rises = [
        {name: metrics.rise_of(track, SINGLE_MOTIONS[name]) for name, track in session.rises.items()}
        for session in sessions
    ]
    clean = float(np.median([sum(rise.clean for rise in one.values()) for one in rises]))
    yield Row(f"{prefix}.shapes.alive_and_clean", clean, f"of {len(rises[0])}")
    for name in rises[0]:
        own, other = (float(np.mean([getattr(one[name], key) for one in rises])) for key in ("own", "other"))
        yield Row(f"{prefix}.shape.{name}.own", own, detail=True)
        yield Row(f"{prefix}.shape.{name}.loudest_other", other, detail=True)
    for act in ("turning", "gentle"):
        found = [metrics.mixed_correlation(session.acts[act], moved(session.acts[act])) for session in sessions]
        yield Row(f"{prefix}.mixed.{act}", float(np.mean([np.mean(list(one.values())) for one in found])), "r")


def moved(track: TruthTrack) -> tuple[str, ...]:
    """The weights that took part, eyes' looks aside: they have rows of their own."""
    busy = track.weights.std(0) > 0
    return tuple(name for name, moves in zip(ARKIT_NAMES, busy, strict=True) if moves and name not in EYE_ROTATIONS)


def _all(tracks: list[TruthTrack], measure: Callable[[TruthTrack], Floats]) -> Floats:
    return np.concatenate([measure(track) for track in tracks])
