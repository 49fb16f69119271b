"""The landmarks a model's own files place on its surface, before the rest is found by `models/embedding`."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from models.types import LANDMARK_COUNT, Embedding

IRISES = slice(468, LANDMARK_COUNT)  # right, then left: centre and four points of the rim each
Spot = tuple[tuple[int, int, int], tuple[float, float, float]]  # three vertices, their weights


@dataclass(frozen=True)
class KnownLandmarks:
    """An embedding of which only some rows say anything."""

    embedding: Embedding
    known: Tensor  # [L] bool


def known_landmarks(spots: Mapping[int, Spot]) -> KnownLandmarks:
    """Landmark -> its spot on the surface."""
    vertices = torch.zeros(LANDMARK_COUNT, 3, dtype=torch.int64)
    weights = torch.zeros(LANDMARK_COUNT, 3)
    weights[:, 0] = 1.0
    known = torch.zeros(LANDMARK_COUNT, dtype=torch.bool)
    for landmark, (corners, shares) in spots.items():
        vertices[landmark] = torch.tensor(corners)
        weights[landmark] = torch.tensor(shares)
        known[landmark] = True
    return KnownLandmarks(Embedding(vertices, weights), known)


def at_vertex(vertex: int) -> Spot:
    return (vertex, vertex, vertex), (1.0, 0.0, 0.0)


def whole_embedding(vertices: Tensor, triangles: Tensor, known: KnownLandmarks) -> Embedding:
    """All landmarks on the surface [V, 3], [F, 3]: the known ones as they are, the others found."""
    from models.embedding import find_embedding  # here, because it knows this file

    if bool(known.known.all()):
        return known.embedding
    skin = known.known.clone()
    skin[IRISES] = False  # two small discs say little of how a head stands, and would pass for much
    found = find_embedding(vertices.double().numpy(), triangles.numpy(), KnownLandmarks(known.embedding, skin))
    keep = known.known[:, None]
    return Embedding(
        torch.where(keep, known.embedding.vertices, found.vertices),
        torch.where(keep, known.embedding.weights, found.weights.to(known.embedding.weights)),
    )
