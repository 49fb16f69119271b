"""Results in the words of the wire."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from models.rotations import matrix_from_quaternion, quaternion_from_matrix
from stream.results import numbers, wxyz


def test_any_rotation_becomes_its_unit_quaternion() -> None:
    turns = Rotation.random(300, random_state=0).as_matrix().astype(np.float32)
    halves = Rotation.from_rotvec(np.pi * np.vstack((np.eye(3), -np.eye(3)))).as_matrix().astype(np.float32)
    for matrix in [np.eye(3, dtype=np.float32), *halves, *turns]:
        quaternion = wxyz(matrix.tolist())
        assert quaternion[0] >= 0
        np.testing.assert_allclose(np.linalg.norm(quaternion), 1, atol=1e-12)
        back = matrix_from_quaternion(torch.tensor(quaternion)).numpy()
        np.testing.assert_allclose(back, matrix, atol=2e-6)
        if quaternion[0] > 1e-3:  # else either of two is right
            np.testing.assert_allclose(quaternion, quaternion_from_matrix(torch.from_numpy(matrix)), atol=1e-5)


def test_numbers_are_short() -> None:
    assert numbers(torch.tensor([0.1, 1 / 3, -2.0])) == [0.1, 0.33333, -2.0]
    assert numbers(np.array([0.123456789], np.float32), 6) == [0.123457]
