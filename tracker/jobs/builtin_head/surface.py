"""Calculus on a triangle mesh: what a displacement field needs to be smooth, to bulge, to know its two sides."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]
MEMBRANE = 1 / 0.02**2  # stretching weighs as much as bending at waves of 2 cm


@dataclass(frozen=True)
class Surface:
    vertices: Floats  # [V, 3] metres
    triangles: Ids  # [F, 3] counter-clockwise from outside

    @cached_property
    def normals(self) -> Floats:
        """Unit, area-weighted: [V, 3]."""
        return normals(self.vertices, self.triangles)

    @cached_property
    def areas(self) -> Floats:
        """A third of the triangles around each vertex: [V]."""
        a, b, c = (self.vertices[self.triangles[:, k]] for k in range(3))
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
        return np.bincount(self.triangles.ravel(), np.repeat(area, 3), len(self.vertices)) + 1e-12

    @cached_property
    def stiffness(self) -> sparse.csc_array:
        """The cotangent Laplacian, positive semi-definite: [V, V]."""
        count = len(self.vertices)
        total = sparse.csc_array((count, count))
        for k in range(3):
            i, j, o = (self.triangles[:, (k + n) % 3] for n in range(3))
            u, v = self.vertices[i] - self.vertices[o], self.vertices[j] - self.vertices[o]
            cotangent = (u * v).sum(1) / np.maximum(np.linalg.norm(np.cross(u, v), axis=1), 1e-12)
            # Slivers would otherwise outvote everything, obtuse corners pull the wrong way.
            half = np.clip(cotangent, 0.05, 10.0) / 2
            total = (
                total
                + sparse.csc_array((half, (i, j)), (count, count))
                + sparse.csc_array((half, (j, i)), (count, count))
            )
        return sparse.csc_array(sparse.diags_array(np.asarray(total.sum(1)).ravel()) - total)

    @cached_property
    def _heat(self) -> dict[float, SuperLU]:
        return {}

    def smooth(self, field: Floats, length_m: float) -> Floats:
        """Heat flow for a time whose reach is about `length_m`: [V, ...] -> [V, ...]."""
        if length_m not in self._heat:
            matrix = sparse.diags_array(self.areas) + self.stiffness * length_m**2
            self._heat[length_m] = splu(sparse.csc_array(matrix))
        flat = field.reshape(len(field), -1) * self.areas[:, None]
        return np.asarray(self._heat[length_m].solve(flat)).reshape(field.shape)

    def harmonic(self, ids: Ids, values: Floats) -> Floats:
        """The smoothest field with these values at these vertices; 0 on parts that are not joined to any: [V]."""
        count = len(self.vertices)
        pinned = np.zeros(count, bool)
        pinned[ids] = True
        field = np.zeros(count)
        field[ids] = values
        # The tiny mass keeps separate parts (eyeballs, teeth) solvable and holds them at 0.
        matrix = sparse.csc_array(self.stiffness + sparse.diags_array(self.areas * 1e-6))
        free = ~pinned
        field[free] = splu(matrix[free][:, free].tocsc()).solve(-(matrix[free][:, pinned] @ field[pinned]))
        return field

    def fair(self, ids: Ids, values: Floats, free: NDArray[np.bool_]) -> Floats:
        """The least bent field with these values at these vertices, free where `free` [V], 0 elsewhere: [V, ...]."""
        field = np.zeros((len(self.vertices), *values.shape[1:]))
        field[ids] = values
        unknown = free.copy()
        unknown[ids] = False
        inverse_mass = sparse.diags_array(1 / self.areas)
        # A touch of membrane keeps the field from overshooting far from what is known.
        bending = self.stiffness @ inverse_mass @ self.stiffness + self.stiffness * MEMBRANE
        known_part = bending[unknown][:, ~unknown] @ field[~unknown]
        field[unknown] = splu(sparse.csc_array(bending[unknown][:, unknown])).solve(-known_part)
        return field

    def divergence(self, field: Floats) -> Floats:
        """How much a displacement field [V, 3] spreads the skin out (positive) or gathers it (negative): [V]."""
        a, b, c = (self.vertices[self.triangles[:, k]] for k in range(3))
        normal = np.cross(b - a, c - a)
        twice_area = np.linalg.norm(normal, axis=1)
        unit = normal / np.maximum(twice_area, 1e-12)[:, None]
        total = np.zeros(len(self.triangles))
        for k, edge in enumerate((c - b, a - c, b - a)):
            # The gradient of a corner's hat function is the opposite edge turned into the triangle.
            total += (np.cross(unit, edge) * field[self.triangles[:, k]]).sum(1)
        per_vertex = np.bincount(self.triangles.ravel(), np.repeat(total / 6, 3), len(self.vertices))
        return np.asarray(per_vertex / self.areas)


def normals(vertices: Floats, triangles: Ids) -> Floats:
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    area = np.cross(b - a, c - a)
    columns = [np.bincount(triangles.ravel(), np.repeat(area[:, k], 3), len(vertices)) for k in range(3)]
    total = np.stack(columns, 1)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-20))
