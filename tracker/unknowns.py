"""The unknowns of a fit as one flat state a head, in the order of `models.landmark_rows.Columns`.

A state holds the camera's rotation as a matrix (9 numbers) where a step holds an axis-angle (3), and the logarithm of
the focal length where the columns hold the focal length: `solver` moves states only through `retract`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.landmark_rows import Columns
from models.rotations import matrix_from_axis_angle
from models.types import Camera, HeadParams


@dataclass(frozen=True)
class Unpacked:
    params: HeadParams
    camera: Camera
    identity: Tensor | None  # [N, S]


@dataclass(frozen=True)
class Layout:
    """How states [N, D] are laid out for one set of columns. The neck is not among the unknowns of a fit."""

    columns: Columns

    @property
    def _rotation(self) -> slice:
        return slice(self.columns.rotation.start, self.columns.rotation.start + 9)

    def shared(self) -> Tensor:
        """The columns that pictures of one person by one camera have in common: identity and lens."""
        columns = range(self.columns.focal.stop)
        return torch.tensor([*columns[self.columns.identity], *columns[self.columns.focal]])

    def without_identity(self) -> "Layout":
        return Layout(Columns.of(self.columns.expression.stop, 0, neck=False))

    def rotation_of(self, state: NDArray[np.float32]) -> NDArray[np.float32]:
        """[3, 3] of one state [D]."""
        return state[self._rotation].reshape(3, 3)

    def with_focal(self, state: NDArray[np.float32], focal_px: float) -> NDArray[np.float32]:
        """One state [D] seen through another lens: the head moves along the view so that it keeps its size."""
        out = state.copy()
        out[-2] *= focal_px / np.exp(state[-1])
        out[-1] = np.log(focal_px)
        return out

    def pack(self, params: HeadParams, camera: Camera, identity: Tensor | None = None) -> Tensor:
        parts = [params.expression, params.jaw, params.eyes.flatten(1), camera.rotation.flatten(1)]
        if identity is not None:
            parts.insert(1, identity)
        return torch.cat((*parts, camera.translation, camera.focal_px.log()[:, None]), 1)

    def read(self, state: NDArray[np.float32], principal_px: tuple[float, float]) -> tuple[HeadParams, Camera]:
        """One state [D], without a batch. Views into it: torch's operators take as long as a step of the fit."""
        c, at = self.columns, self._rotation.stop
        params = HeadParams(
            expression=torch.from_numpy(state[c.expression]),
            jaw=torch.from_numpy(state[c.jaw]),
            eyes=torch.from_numpy(state[c.eyes].reshape(2, 3)),
            neck=torch.zeros(3),
        )
        camera = Camera(
            rotation=torch.from_numpy(self.rotation_of(state)),
            translation=torch.from_numpy(state[at : at + 3]),
            focal_px=torch.from_numpy(np.exp(state[at + 3 :])).squeeze(0),
            principal_px=torch.tensor(principal_px),
        )
        return params, camera

    def unpack(self, state: Tensor, principal_px: Tensor) -> Unpacked:
        c, rotation = self.columns, self._rotation
        params = HeadParams(
            expression=state[:, c.expression],
            jaw=state[:, c.jaw],
            eyes=state[:, c.eyes].reshape(-1, 2, 3),
            neck=state.new_zeros(len(state), 3),
        )
        camera = Camera(
            rotation=state[:, rotation].reshape(-1, 3, 3),
            translation=state[:, rotation.stop : rotation.stop + 3],
            focal_px=state[:, rotation.stop + 3].exp(),
            principal_px=principal_px,
        )
        free_identity = c.identity.stop > c.identity.start
        return Unpacked(params, camera, state[:, c.identity] if free_identity else None)

    def retract(self, state: Tensor, step: Tensor) -> Tensor:
        c, rotation = self.columns, self._rotation
        before = state[:, : rotation.start] + step[:, : c.rotation.start]
        turned = matrix_from_axis_angle(step[:, c.rotation]) @ state[:, rotation].reshape(-1, 3, 3)
        after = state[:, rotation.stop :] + step[:, c.rotation.stop :]
        return torch.cat((before, _orthonormal(turned).flatten(1), after), 1)


def _orthonormal(rotation: Tensor) -> Tensor:
    """One Newton step towards the nearest rotation: keeps float32 products from drifting over hours."""
    return 1.5 * rotation - 0.5 * rotation @ rotation.transpose(1, 2) @ rotation
