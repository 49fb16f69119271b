"""The binary part of a glTF file: arrays in one buffer, each with the accessor that says how to read it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pygltflib as gltf
from numpy.typing import NDArray

Array = NDArray[Any]

SPARSE_BELOW = 2 / 3  # an entry of a sparse accessor also stores its index

_COMPONENTS = {"float32": gltf.FLOAT, "uint16": gltf.UNSIGNED_SHORT, "uint32": gltf.UNSIGNED_INT,
               "uint8": gltf.UNSIGNED_BYTE}  # fmt: skip


@dataclass
class Packer:
    """Collects arrays into one buffer; each gets an accessor."""

    data: bytearray = field(default_factory=bytearray)
    views: list[gltf.BufferView] = field(default_factory=list)
    accessors: list[gltf.Accessor] = field(default_factory=list)

    def add(self, values: Array, kind: str, bounds: bool = False, target: int | None = None) -> int:
        values = values.astype(np.float32) if values.dtype == np.float64 else values
        accessor = self._accessor(values, kind, bounds)
        accessor.bufferView = self._view(values, target)
        accessor.normalized = values.dtype == np.uint8
        return self._keep(accessor)

    def add_sparse(self, values: Array) -> int:
        """[N, 3] float32, of which the rows that are zero are not stored, where that saves room."""
        moved = np.flatnonzero(values.any(1))
        if len(moved) > SPARSE_BELOW * len(values):
            return self.add(values, gltf.VEC3, bounds=True, target=gltf.ARRAY_BUFFER)
        accessor = self._accessor(values, gltf.VEC3, bounds=True)
        if len(moved):
            ids = moved.astype(np.uint16 if len(values) < 65_536 else np.uint32)
            accessor.sparse = gltf.Sparse(
                count=len(moved),
                indices=gltf.AccessorSparseIndices(
                    bufferView=self._view(ids), componentType=_COMPONENTS[ids.dtype.name]
                ),
                values=gltf.AccessorSparseValues(bufferView=self._view(values[moved])),
            )
        return self._keep(accessor)

    def add_file(self, content: bytes) -> int:
        """A whole file inside the file, such as a picture: its buffer view."""
        return self._view(np.frombuffer(content, np.uint8))

    def _accessor(self, values: Array, kind: str, bounds: bool) -> gltf.Accessor:
        rows = values.reshape(len(values), -1)
        accessor = gltf.Accessor(
            componentType=_COMPONENTS[values.dtype.name], count=len(values), type=kind, byteOffset=None
        )
        if bounds:
            accessor.min, accessor.max = rows.min(0).tolist(), rows.max(0).tolist()
        return accessor

    def _view(self, values: Array, target: int | None = None) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        packed = np.ascontiguousarray(values).tobytes()
        self.views.append(gltf.BufferView(buffer=0, byteOffset=len(self.data), byteLength=len(packed), target=target))
        self.data += packed
        return len(self.views) - 1

    def _keep(self, accessor: gltf.Accessor) -> int:
        self.accessors.append(accessor)
        return len(self.accessors) - 1
