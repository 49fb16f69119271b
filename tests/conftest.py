"""What every test shares: repeatable torch, and the markers that need something this machine may lack."""

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

# Shared runners are slow and noisy: a time limit on examples, or on making them, would fail for no fault of ours. The
# same examples in every run: a failure is there again when looked for, and is the fault of what has changed.
settings.register_profile("mien", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mien")


torch.set_num_threads(1)  # so that parallel test runs do not fight over the cores


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of clips and sample models kept beside the checkout; tests that need it skip where it is absent."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the clips and sample models in {folder.name}/ beside the checkout")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU"))
