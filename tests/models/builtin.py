"""The built-in head and meshes made from it, for tests of what is fitted to heads."""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from models.embedding import BUILTIN
from models.embedding.template import Template, make_template
from models.head import Head, embed, pose_head, shape_head
from models.head_file import read_head
from models.types import HeadParams

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


@lru_cache(maxsize=1)
def builtin_head() -> Head:
    return read_head(BUILTIN)


@lru_cache(maxsize=1)
def builtin_template() -> Template:
    return make_template(builtin_head())


def person(seed: int, strength: float = 1.0) -> tuple[Floats, Floats]:
    """Vertices [V, 3] of a random person and the landmarks [L, 3] on them."""
    head = builtin_head().to(dtype=torch.float64)
    random = torch.Generator().manual_seed(seed)
    identity = strength * torch.randn(head.identity_size, generator=random, dtype=torch.float64).clamp(-2, 2)
    params = HeadParams.zeros(head.expression_size, dtype=torch.float64)
    vertices = pose_head(shape_head(head, identity), params).vertices
    return vertices.numpy(), embed(head.embedding, vertices).numpy()


def remeshed(vertices: Floats, triangles: Ids, seed: int = 0) -> tuple[Floats, Ids]:
    """The same surface in other triangles: each cut in four, vertices in another order."""
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    unique, where = np.unique(edges, axis=0, return_inverse=True)
    middle = len(vertices) + where.reshape(-1, 3)
    points = np.concatenate([vertices, vertices[unique].mean(1)])
    a, b, c = triangles.T
    x, y, z = middle.T
    cut = np.concatenate([np.stack(t, 1) for t in ((a, x, z), (x, b, y), (z, y, c), (x, y, z))])
    order = np.random.default_rng(seed).permutation(len(points))
    place = np.empty(len(points), np.int64)
    place[order] = np.arange(len(points))
    return points[order], place[cut]


def turn(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Floats:
    """A rotation [3, 3] by degrees about x, then y, then z."""
    total = np.eye(3)
    for axis, degrees in enumerate((x, y, z)):
        sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
        one = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        one[i, i] = one[j, j] = cosine
        one[i, j], one[j, i] = -sine, sine
        total = one @ total
    return total


def bumpy_ball(radius: float = 0.1, rings: int = 60) -> tuple[Floats, Ids]:
    """Something round that is no head."""
    polar, around = np.meshgrid(np.linspace(0.02, np.pi - 0.02, rings), np.linspace(0, 2 * np.pi, 2 * rings, False))
    bumps = 1 + 0.03 * np.sin(7 * polar) * np.cos(9 * around)
    points = np.stack([np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)], -1)
    ids = np.arange(polar.size).reshape(polar.shape)
    a, b = ids[:, :-1], ids[:, 1:]
    c, d = np.roll(b, -1, 0), np.roll(a, -1, 0)
    triangles = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return (radius * bumps[..., None] * points).reshape(-1, 3), triangles
