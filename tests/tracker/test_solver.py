"""The solver on problems whose answers are known."""

import torch
from torch import Tensor

from tracker.solver import Normal, SolverConfig, Status, joint_step, solve, solve_jointly

torch.manual_seed(0)


def rosenbrock(state: Tensor) -> Normal:
    """Residuals 10 (y - x^2) and 1 - x: the minimum is at (1, 1), at the end of a curved valley."""
    x, y = state.unbind(1)
    residual = torch.stack((10 * (y - x * x), 1 - x), 1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    jacobian = torch.stack((torch.stack((-20 * x, 10 * one), 1), torch.stack((-one, zero), 1)), 1)
    gradient = (jacobian.transpose(1, 2) @ residual[..., None])[..., 0]
    errors = {"valley": residual[:, 0] ** 2, "end": residual[:, 1] ** 2}
    return Normal(jacobian.transpose(1, 2) @ jacobian, gradient, errors)


def test_reaches_the_minimum_from_everywhere() -> None:
    start = torch.tensor(((-1.2, 1.0), (3.0, -2.0), (1.0, 1.0)), dtype=torch.float64)
    state, info = solve(rosenbrock, torch.add, start, SolverConfig(iterations=100))
    torch.testing.assert_close(state, torch.ones_like(state), atol=1e-6, rtol=0)
    assert info.status[:2] == (Status.CONVERGED, Status.CONVERGED)
    assert info.iterations < 60


def test_says_when_it_stopped_early() -> None:
    start = torch.tensor(((-1.2, 1.0),), dtype=torch.float64)
    _, info = solve(rosenbrock, torch.add, start, SolverConfig(iterations=5))
    assert info.status == (Status.MAX_ITERATIONS,)
    assert info.iterations == 5


def test_never_raises_the_energy_and_keeps_members_apart() -> None:
    start = torch.tensor(((-1.2, 1.0), (float("nan"), 0.0), (4.0, 3.0)), dtype=torch.float64)
    state, info = solve(rosenbrock, torch.add, start, SolverConfig(iterations=30))
    assert info.status[1] is Status.FAILED
    assert state[1].isnan().any()
    alone, _ = solve(rosenbrock, torch.add, start[:1], SolverConfig(iterations=30))
    torch.testing.assert_close(state[0], alone[0])


def test_a_problem_without_a_slope_fails_without_moving() -> None:
    def flat(state: Tensor) -> Normal:
        return Normal(torch.zeros(1, 2, 2), torch.zeros(1, 2), {"none": torch.ones(1) + 0 * state.sum()})

    state, info = solve(flat, torch.add, torch.zeros(1, 2), SolverConfig())
    assert state.tolist() == [[0.0, 0.0]]
    assert info.iterations == 1


def random_normal(count: int, size: int) -> Normal:
    root = torch.randn(count, size + 3, size, dtype=torch.float64)
    gradient = torch.randn(count, size, dtype=torch.float64)
    return Normal(root.transpose(1, 2) @ root, gradient, {"all": torch.ones(count, dtype=torch.float64)})


def test_elimination_agrees_with_the_whole_system() -> None:
    count, size, shared = 4, 6, torch.tensor((2, 3))
    normal = random_normal(count, size)
    own = [0, 1, 4, 5]
    whole = torch.zeros(4 * count + 2, 4 * count + 2, dtype=torch.float64)
    right = torch.zeros(4 * count + 2, dtype=torch.float64)
    for k in range(count):
        where = [*range(4 * k, 4 * k + 4), 4 * count, 4 * count + 1]
        order = [*own, 2, 3]
        whole[torch.tensor(where)[:, None], torch.tensor(where)] += normal.hessian[k][
            torch.tensor(order)[:, None], order
        ]
        right[where] -= normal.gradient[k][order]
    wanted = torch.linalg.solve(whole, right)
    step = joint_step(normal, shared, torch.zeros(count, dtype=torch.float64))
    torch.testing.assert_close(step[:, own].flatten(), wanted[:-2])
    torch.testing.assert_close(step[0, shared], wanted[-2:])
    torch.testing.assert_close(step[3, shared], wanted[-2:])


def test_joint_problems_agree_on_what_they_share() -> None:
    truth = torch.tensor(((1.0, 2.0, 5.0), (-1.0, 0.5, 5.0), (3.0, 1.0, 5.0)), dtype=torch.float64)
    design = torch.randn(3, 8, 3, dtype=torch.float64)
    seen = (design @ truth[..., None])[..., 0]

    def linearise(state: Tensor) -> Normal:
        residual = (design @ state[..., None])[..., 0] - seen
        gradient = (design.transpose(1, 2) @ residual[..., None])[..., 0]
        return Normal(design.transpose(1, 2) @ design, gradient, {"fit": (residual**2).sum(1)})

    state, info = solve_jointly(
        linearise, torch.add, torch.zeros_like(truth), torch.tensor([2]), SolverConfig(iterations=20)
    )
    torch.testing.assert_close(state, truth, atol=1e-6, rtol=0)
    assert info.status[0] is Status.CONVERGED
