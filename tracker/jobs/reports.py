"""`report.json`: what its numbers rest on, and how it is written and read again."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from models.types import Identity
from tracker.jobs.outputs import write_whole
from tracker.jobs.results import KNOWN

SCALE = (
    "Assumed, not measured: 62 mm between the pupils. Grown people differ by about 6 % from that, and every length, "
    "depth included, is off by as much."
)
LENS = (
    "Assumed, not measured: the detector's landmarks do not show the lens, however the head turns or comes nearer. "
    "Ordinary ones differ by some 15 %, and distances are off by as much."
)
LIMITS = (
    "Landmarks alone do not show everything: pitch is told to a few degrees only, and small motions (squint, cheek "
    "puff, sneer, brows drawn down) reach the landmarks weakly or not at all."
)


def identity_facts(identity: Identity | None) -> dict[str, Any] | None:
    if identity is None:
        return None
    return {
        "focal_px": identity.focal_px,
        "size_px": list(identity.size_px),
        "head": identity.head,
        "neutral_learned": identity.neutral is not None,
        "observability": observability(identity),
        "lens": LENS,
        "scale": SCALE,
    }


def observability(identity: Identity) -> dict[str, dict[str, float | bool]]:
    """For reports: how well it was seen what is learned once."""
    return {
        name.removesuffix("_known"): {key.split("_", 1)[1]: known.std, "observed": known.observed}
        for name, key in KNOWN.items()
        for known in [getattr(identity, name)]
    }


def write_report(path: Path, report: dict[str, Any]) -> None:
    """As JSON, in which numbers that could not be measured are null."""
    write_whole(path, (json.dumps(_plain(report), indent=2) + "\n").encode())


def read_report(path: Path) -> dict[str, Any] | None:
    """A report written before, or None where there is none that can be read."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
