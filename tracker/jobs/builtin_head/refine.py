"""The authored shapes, drawn towards what faces were seen to do where the evidence is good.

A shape is refined when the detector's score of its name moves the landmarks alike in all clips, and as the authored
shape does: then the way there is a little wrong rather than the score. Only within the shape's own reach, and lips that
the author kept together stay so.
"""

from dataclasses import replace

import numpy as np

from models.arkit_names import ARKIT_NAMES, EXPRESSION_SHAPES, mirror_name
from tracker.jobs.builtin_head.alignment import rigid_directions
from tracker.jobs.builtin_head.anatomy import smoothstep
from tracker.jobs.builtin_head.carry import Carrier, sealed
from tracker.jobs.builtin_head.expressions import Expressions
from tracker.jobs.builtin_head.modes import DEPTH_IMPORTANCE
from tracker.jobs.builtin_head.statistics_file import Statistics
from tracker.jobs.builtin_head.surface import Floats
from tracker.jobs.builtin_head.symmetry import FLIP
from tracker.jobs.builtin_head.topology import SURFACE_LANDMARKS

LEAST_RELIABLE = 0.7  # of a score, between halves of the clips
LEAST_ALIKE, ALIKE = 0.6, 0.9  # cosine between authored and seen motion: believed not at all, as far as MOST
MOST = 0.5  # of the way towards what was seen
REACH_M = 0.010  # over which a shape's extent is smeared
CLOSING = ("mouthClose", "eyeBlinkLeft", "eyeBlinkRight")  # their contacts are worth more than their ways
OPENING = ("mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "mouthFunnel")


def refined(authored: Expressions, statistics: Statistics, carrier: Carrier) -> Expressions:
    """The same shapes, some of them changed."""
    face = carrier.head.vertices[:SURFACE_LANDMARKS]
    steady = statistics.weights[:SURFACE_LANDMARKS]
    deltas = authored.deltas.copy()
    for k, name in enumerate(EXPRESSION_SHAPES):
        score = ARKIT_NAMES.index(name)
        if name in CLOSING or name.endswith("Right") or statistics.score_reliability[score] < LEAST_RELIABLE:
            continue
        at_landmarks = authored.deltas[:SURFACE_LANDMARKS, :, k]
        change = change_towards(at_landmarks, statistics.score_responses[:SURFACE_LANDMARKS, :, score], face, steady)
        change = change[..., None] if name in OPENING else sealed(change[..., None])
        carried = carrier.expression(change)[..., 0]
        other, partner = EXPRESSION_SHAPES.index(mirror_name(name)), carried[carrier.head.mirror] * FLIP
        if other == k:
            deltas[..., k] += (carried + partner) / 2
        else:
            deltas[..., k] += carried
            deltas[..., other] += partner
    return replace(authored, deltas=deltas)


def change_towards(shape: Floats, seen: Floats, face: Floats, steady: Floats) -> Floats:
    """[468, 3] to add to a shape [468, 3], given what the score of its name was seen to do."""
    size = np.linalg.norm(shape, axis=1)
    apart = np.linalg.norm(face[:, None] - face[None], axis=-1)
    near = np.exp(-((apart / REACH_M) ** 2))
    extent = near @ size / near.sum(1)
    reach = smoothstep(extent / (0.35 * extent.max()))
    # Responses know no rigid motion: fix what they leave open where the shape says that nothing moves.
    still = np.repeat(np.sqrt(steady * (size < 0.05 * size.max())), 3)
    rigid = rigid_directions(face)
    moved = np.linalg.lstsq(rigid * still[:, None], -seen.ravel() * still, rcond=None)[0]
    anchored = seen + (rigid @ moved).reshape(seen.shape)

    importance = reach[:, None] * np.array((1.0, 1.0, DEPTH_IMPORTANCE))
    ours, theirs = (shape * importance).ravel(), (anchored * importance).ravel()
    product, length = float(ours @ theirs), float(np.linalg.norm(ours) * np.linalg.norm(theirs))
    share = MOST * np.clip((product / max(length, 1e-12) - LEAST_ALIKE) / (ALIKE - LEAST_ALIKE), 0, 1)
    scale = product / max(float(theirs @ theirs), 1e-12)  # a score of 1 is not always the whole shape
    return np.asarray(share * reach[:, None] * (scale * anchored - shape))
