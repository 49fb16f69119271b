"""A tracked frame's 52 ARKit weights, for a head of any kind."""

import numpy as np
from numpy.typing import NDArray

from models.arkit import ArkitSolver, arkit_solver, look_map, named_map, speaks_arkit
from models.builtin import load_builtin
from models.head import Head
from models.types import Camera, HeadParams, Identity

Floats = NDArray[np.float32]


class BlendshapeReader:
    """Keeps the last weights to start the next solve from: one a session."""

    def __init__(self, head: Head, identity: Identity) -> None:
        self._last: NDArray[np.float64] | None = None
        self._solver: ArkitSolver | None = None
        self._looks = look_map().numpy()
        self._map: Floats | None = None
        if speaks_arkit(head):
            self._map = named_map(head).numpy()
        else:
            self._solver = arkit_solver(head, identity.shape, load_builtin())

    def read(self, params: HeadParams, camera: Camera, fitted_m: Floats) -> Floats:
        """[52] in the order of `models.arkit_names`, from a frame's fit; fitted_m [L, 3] in the camera frame."""
        if self._map is not None:
            motion = np.concatenate((params.expression.numpy(), params.jaw.numpy(), params.eyes.numpy().ravel()))
            return np.asarray(np.clip(self._map @ motion, 0, 1))
        assert self._solver is not None
        in_head = (fitted_m - camera.translation.numpy()) @ camera.rotation.numpy()
        looks = np.clip(self._looks @ params.eyes.numpy().ravel(), 0, 1)
        self._last = self._solver.solve(in_head.astype(np.float64), looks.astype(np.float64), self._last)
        return self._last.astype(np.float32)
