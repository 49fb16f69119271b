"""The bounded solve against scipy's, on problems where many weights end at a bound."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from models.box_solve import solve_box


@given(st.integers(0, 10_000), st.integers(1, 30))
@settings(max_examples=60)
def test_the_solution_is_the_one_scipy_finds(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    design = random.normal(size=(count + 5, count)) * random.uniform(0.1, 3, count)
    data = 2 * random.normal(size=count + 5)
    matrix = design.T @ design + 1e-3 * np.eye(count)
    right = design.T @ data
    weights, _ = solve_box(matrix, right, random.uniform(0, 1, count))
    factor = np.linalg.cholesky(matrix)
    truth = lsq_linear(factor.T, np.linalg.solve(factor, right), bounds=(0, 1), tol=1e-12, method="bvls").x
    np.testing.assert_allclose(weights, truth, atol=1e-6)
    assert weights.min() >= 0
    assert weights.max() <= 1


def test_nearly_equal_columns_do_not_send_it_round_in_circles() -> None:
    random = np.random.default_rng(0)
    design = random.normal(size=(60, 1)) + 1e-3 * random.normal(size=(60, 40))
    matrix = design.T @ design + 1e-6 * np.eye(40)
    weights, sweeps = solve_box(matrix, design.T @ (3 * design[:, 0]), np.zeros(40))
    slope = matrix @ weights - design.T @ (3 * design[:, 0])
    assert sweeps < 200
    assert (slope[weights <= 0] > -1e-6).all()
    assert (slope[weights >= 1] < 1e-6).all()
    assert slope[(weights > 0) & (weights < 1)] == pytest.approx(0, abs=1e-6)


def test_the_solution_itself_is_kept_in_one_sweep() -> None:
    random = np.random.default_rng(3)
    design = random.normal(size=(40, 30))
    matrix, right = design.T @ design, design.T @ random.normal(size=40)
    weights, _ = solve_box(matrix, right, np.zeros(30))
    again, sweeps = solve_box(matrix, right, weights)
    assert sweeps == 1
    np.testing.assert_allclose(again, weights, atol=1e-9)
