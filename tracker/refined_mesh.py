"""The mesh model's outputs put together: 468 points of the skin, of which lips and eyes were looked at once more.

The model gives the whole mesh, then lips, eyes and irises again, each from a closer look, without depth. Here every
landmark gets its place from the closest look, skin keeps the mesh's depth, and an iris has that of the lids around it.
MediaPipe does the same by messages of one landmark each, which takes longer than all that follows detection.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.compiled import quick
from models.types import LANDMARK_COUNT, SKIN_COUNT
from tracker.region import Region

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]


@dataclass(frozen=True)
class Refinement:
    """Where each landmark stands among the model's numbers."""

    place: Integers  # [L] its x; y comes next
    lids: Integers  # [L - SKIN_COUNT, N] the landmarks of the skin whose mean depth each point of the irises takes

    @staticmethod
    def of(parts: Sequence[tuple[Sequence[int], Sequence[int]]]) -> "Refinement":
        """Each part's landmarks, in the order of the outputs, and those whose mean depth they take, if they do.

        The first part is the whole mesh: three numbers a landmark, where the others have two.
        """
        place, start = np.zeros(LANDMARK_COUNT, np.int32), 0
        lids: dict[int, Sequence[int]] = {}
        for part, (landmarks, around) in enumerate(parts):
            stride = 3 if part == 0 else 2
            place[list(landmarks)] = start + stride * np.arange(len(landmarks))
            lids |= {landmark: around for landmark in landmarks if around}
            start += stride * len(landmarks)
        return Refinement(place, np.array([lids[iris] for iris in range(SKIN_COUNT, LANDMARK_COUNT)], np.int32))

    def points(self, numbers: Floats, region: Region, net_side: int) -> tuple[Floats, Floats]:
        """The model's numbers, pixels of the square it saw -> landmarks in the picture [L, 2] and their depth [L]."""
        return _placed(
            numbers, self.place, self.lids, region.x, region.y, region.side / net_side, region.angle, net_side / 2
        )


@quick
def _placed(
    numbers: Floats, place: Integers, lids: Integers, x: float, y: float, scale: float, angle: float, middle: float
) -> tuple[Floats, Floats]:
    points, depth = np.empty((len(place), 2), np.float32), np.empty(len(place), np.float32)
    along, across = scale * math.cos(angle), scale * math.sin(angle)
    for p in range(len(place)):
        u, v = numbers[place[p]] - middle, numbers[place[p] + 1] - middle
        points[p, 0] = x + along * u - across * v
        points[p, 1] = y + across * u + along * v
        if p < SKIN_COUNT:
            depth[p] = scale * numbers[3 * p + 2]
        else:
            total = 0.0
            for lid in lids[p - SKIN_COUNT]:
                total += numbers[3 * lid + 2]
            depth[p] = scale * total / lids.shape[1]
    return points, depth
