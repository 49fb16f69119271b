"""Compare settings of the tracker against the truth: filmed and detected once, tracked with each.

python tests/bench/bm_truth.py                                      as it is
python tests/bench/bm_truth.py focal_log_std=0.05 gate=1,process_noise=0.3      and two variants of LiveConfig
python tests/bench/bm_truth.py --perfect        as if the detector never erred: what is left is the tracker's fault
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from models.library import load_head
from models.types import Landmarks
from tracker.config import LiveConfig
from tracker.jobs.benchmarks import truth
from tracker.jobs.benchmarks.clips import new_tracker
from tracker.jobs.benchmarks.truth_metrics import frames_apart
from tracker.jobs.benchmarks.truth_rig import Filmed, Session, film_session, track_session
from tracker.tracker import TrackerConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*", help="name=value,name=value of LiveConfig")
    parser.add_argument("--perfect", action="store_true", help="give the tracker the true landmarks")
    parser.add_argument("--full", action="store_true", help="all people, whole length")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sessions = film_all(quick=not arguments.full)
    for variant in ("", *arguments.variants):
        print(f"\n{variant or 'as it is'}")
        config = TrackerConfig(live=changed(variant))
        by_kind: dict[str, list[Session]] = {}
        for kind, filmed in sessions:
            by_kind.setdefault(kind, []).append(follow(kind, perfect(filmed) if arguments.perfect else filmed, config))
        rows = [row for kind, ones in by_kind.items() for row in truth.truth_rows(kind, ones)]
        for row in (*rows, *truth.shape_rows("true", by_kind["builtin"])):
            print(f"{row.key:40s} {row.value:8.3f} {row.promise.unit}")


def changed(variant: str) -> LiveConfig:
    changes: dict[str, Any] = {}
    for change in filter(None, variant.split(",")):
        name, _, value = change.partition("=")
        changes[name] = type(getattr(LiveConfig(), name))(float(value))
    return replace(LiveConfig(), **changes)


def film_all(quick: bool) -> list[tuple[str, Filmed]]:
    sessions = []
    for kind, seeds in (truth.QUICK_PEOPLE if quick else truth.PEOPLE).items():
        head = truth.filmed_head(kind)
        for seed in seeds if head is not None else ():
            assert head is not None
            print(f"filming {kind} {seed}", file=sys.stderr)
            sessions.append((kind, film_session(head, seed, quick)))
    return sessions


def follow(kind: str, filmed: Filmed, config: TrackerConfig) -> Session:
    played, tracked = truth.filmed_head(kind), load_head()
    assert played is not None
    return track_session(filmed, new_tracker(tracked, None, config), frames_apart(played, tracked))


def perfect(filmed: Filmed) -> Filmed:
    landmarks = []
    for shot in filmed.shots:
        depth = shot.landmarks_m[:, 2]
        middle = depth[:468].mean()
        scaled = (depth - middle) * float(shot.camera.focal_px) / middle
        points = shot.landmarks_px.astype(np.float32)
        landmarks.append(Landmarks(points, scaled.astype(np.float32), filmed.size_px, 1.0))
    return replace(filmed, landmarks=tuple(landmarks), held=(landmarks[-1],) * len(filmed.held))


if __name__ == "__main__":
    main()
