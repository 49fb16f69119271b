"""Small systems against numpy's own."""

import numpy as np
import pytest

from models.cholesky import BLOCK, factorise, inverse_diagonal, solve


@pytest.mark.parametrize("size", [1, 6, BLOCK, BLOCK + 1, 2 * BLOCK + 7])
def test_agrees_with_numpy(size: int) -> None:
    random = np.random.default_rng(size)
    half = random.normal(size=(size, 2 * size)).astype(np.float32)
    matrix, right = half @ half.T, random.normal(size=size).astype(np.float32)
    factor = np.tril(matrix) + np.triu(np.full_like(matrix, np.nan), 1)  # what stands above is never looked at
    assert factorise(factor)
    np.testing.assert_allclose(np.tril(factor) @ np.tril(factor).T, matrix, rtol=1e-5, atol=1e-4 * size)
    np.testing.assert_allclose(matrix @ solve(factor, right), right, atol=1e-4 * size)
    np.testing.assert_allclose(inverse_diagonal(factor), np.linalg.inv(matrix.astype(float)).diagonal(), rtol=1e-4)


def test_what_has_no_factor_is_told() -> None:
    assert not factorise(np.array([[1, 0], [2, 1]], np.float32))
    assert not factorise(np.full((2, 2), np.nan, np.float32))
