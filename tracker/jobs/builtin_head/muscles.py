"""What every muscle does to skin: it pulls along its fibres, gathers tissue before it, and slides over bone.

Displacements are millimetres of a head of usual size (`Anatomy.mm`), fields are metres [V, 3].
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from tracker.jobs.builtin_head.anatomy import Anatomy, falloff
from tracker.jobs.builtin_head.surface import Floats

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Pull:
    """Skin along a path of landmarks moves by one vector, its surroundings less and less."""

    path: tuple[int, ...]
    shift_mm: Vector
    reach_mm: float
    core_mm: float = 0.0


def pull(face: Anatomy, *pulls: Pull, mask: Floats | None = None) -> Floats:
    """The sum of pulls, tangent to the skin: what is left of a shift is its slide over the surface beneath."""
    total = np.zeros_like(face.vertices)
    for p in pulls:
        weight = falloff(face.distance_to(p.path), p.core_mm * face.mm, p.reach_mm * face.mm)
        total += weight[:, None] * (np.asarray(p.shift_mm) * face.mm)
    return total if mask is None else total * mask[:, None]


def push(face: Anatomy, path: tuple[int, ...], height_mm: float, reach_mm: float, core_mm: float = 0.0) -> Floats:
    """Skin along a path swells outwards (or sinks, where negative)."""
    weight = falloff(face.distance_to(path), core_mm * face.mm, reach_mm * face.mm) * face.soft
    return np.asarray(face.smooth_normals * (weight * height_mm * face.mm)[:, None])


def gather(face: Anatomy, field: Floats, thickness_mm: float) -> Floats:
    """Tissue keeps its volume: where a field bunches skin up it swells, where it stretches skin it thins."""
    spread = face.smooth(face.surface.divergence(field) * face.soft)
    height = -np.tanh(spread * 1.2) / 1.2 * thickness_mm * face.mm
    return np.asarray(face.smooth_normals * (height * face.soft)[:, None])


def slide(face: Anatomy, field: Floats, thickness_change: Floats | None = None) -> Floats:
    """The same motion along the neutral surface instead of through it: skin keeps its distance from the bone."""
    moving = np.flatnonzero(np.linalg.norm(field, axis=1) > 1e-6)
    moved = face.vertices[moving] + field[moving]
    base = np.flatnonzero(face.soft > 0.5)
    distance, near = cKDTree(face.vertices[base]).query(moved, k=8)
    weight = np.exp(-((distance / (2.5 * face.mm)) ** 2)) + 1e-9
    weight /= weight.sum(1, keepdims=True)
    normals = face.surface.normals[base[near]]
    height = ((moved[:, None] - face.vertices[base[near]]) * normals).sum(-1)
    out = field.copy()
    out[moving] -= ((weight * height)[..., None] * normals).sum(1)
    return out
