"""Where to start: a similarity that brings the built-in head roughly onto a head whose axes are known."""

import numpy as np

from models.embedding.closest import SurfaceIndex
from models.embedding.mesh import Floats
from models.embedding.model_fit import ModelFit, Targets, fit_model
from models.embedding.parts import Parts
from models.embedding.similarity import Similarity, align_robustly, rotation_about
from models.embedding.template import Template

SIZES = (0.85, 1.0, 1.18)
NODS_DEGREES = (-12.0, 0.0, 12.0)
HEIGHT_STEP_M = 0.015
FINALISTS = 5
PROBES = 250


def start_similarity(template: Template, index: SurfaceIndex, skin_points: Floats, targets: Targets) -> Similarity:
    """From known landmarks where there are some, else from the eyeballs, else by trying."""
    known = np.isfinite(targets.points).all(1)
    if known.sum() >= 6:
        return align_robustly(template.landmarks(template.rest)[known], targets.points[known])[0]
    candidates = _from_eyes(template, targets) if targets.eyes is not None else _from_outline(template, skin_points)
    scored = sorted(candidates, key=lambda candidate: _misfit(template, index, candidate))[:FINALISTS]
    nothing = Targets(np.full_like(targets.points, np.nan), targets.std, targets.count, targets.eyes)
    rest = np.zeros(template.shapes.shape[2])
    settled = [
        fit_model(template, index, nothing, ModelFit(c, rest), (0.02,) * 4 + (0.01,) * 4, shapes=False).similarity
        for c in scored
    ]
    return min(settled, key=lambda similarity: _misfit(template, index, similarity))


def eyes_of(parts: Parts) -> Floats | None:
    return None if parts.eyes is None else np.stack([eye.centre for eye in parts.eyes])


def _from_eyes(template: Template, targets: Targets) -> list[Similarity]:
    """Both eyes fix all but the nod."""
    assert targets.eyes is not None
    own = np.stack([template.rest[ids].mean(0) for ids in template.eyeballs])
    across, own_across = targets.eyes[0] - targets.eyes[1], own[0] - own[1]
    scale = float(np.linalg.norm(across) / np.linalg.norm(own_across))
    axis = np.cross(own_across, across)
    sine = float(np.linalg.norm(axis)) / float(np.linalg.norm(across) * np.linalg.norm(own_across))
    level = rotation_about(axis / max(float(np.linalg.norm(axis)), 1e-12) * np.arcsin(min(sine, 1.0)))
    found = []
    for nod in np.radians(NODS_DEGREES):
        rotation = rotation_about(nod * across / np.linalg.norm(across)) @ level
        shift = (targets.eyes - scale * own @ rotation.T).mean(0)
        found.append(Similarity(scale, rotation, shift))
    return found


def _from_outline(template: Template, skin_points: Floats) -> list[Similarity]:
    """Every height, with the front of the face level with the front of the mesh."""
    face = template.rest[template.importance > 0.9]
    found = []
    for size in SIZES:
        front = np.percentile(skin_points[:, 2], 98) - size * np.percentile(face[:, 2], 98)
        middle = float(np.median(skin_points[:, 0]))
        low = float(skin_points[:, 1].min() - size * face[:, 1].min())
        high = float(skin_points[:, 1].max() - size * face[:, 1].max())
        for height in np.arange(min(low, high) - 0.03, max(low, high) + 0.03, HEIGHT_STEP_M):
            found.append(Similarity(size, np.eye(3), np.array((middle, height, front))))
    return found


def _misfit(template: Template, index: SurfaceIndex, similarity: Similarity) -> float:
    """Trimmed mean distance of the face, in shares of its size: a shrunken face must not win by being small."""
    face = np.flatnonzero(template.importance > 0.9)
    probes = np.random.default_rng(0).choice(face, min(PROBES, len(face)), replace=False)
    placed = similarity(template.rest)
    hits = index.closest(placed[probes], template.normals(placed)[probes], k=4)
    distance = np.sort(np.minimum(hits.distance, 0.05 * similarity.scale))
    return float(distance[: int(0.85 * len(distance))].mean() / similarity.scale)
