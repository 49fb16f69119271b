"""One engine for all stream tests: loading the head and compiling takes seconds."""

from collections.abc import Iterator
from dataclasses import fields

import pytest

from stream.engine import Engine, open_engine
from stream.serve import Serve
from tests.stream.running import Running, running


@pytest.fixture(autouse=True)
def _options_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have a server of their own configured."""
    for option in fields(Serve):
        monkeypatch.delenv(f"MIEN_{option.name.upper()}", raising=False)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    ready = open_engine("builtin", "mesh", "cpu")
    ready.warm_up()  # what is compiled in the middle of a session would end it
    yield ready
    ready.close()


@pytest.fixture(scope="module")
def server(engine: Engine) -> Iterator[Running]:
    """A server on loopback with two places; tests that share it leave it empty."""
    with running(engine) as ready:
        yield ready
