"""Options from the environment."""

from pathlib import Path

import pytest

from models.types import MienError
from stream.serve import Serve


def test_options_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "PORT": "9001", "DEVICE": "cpu", "OVERLAY": "off", "MEDIA": "internet", "MAX_SESSIONS": "3",
        "KEEP_IDENTITIES": "/srv/heads", "TURN": "turn:a.example:3478, turn:b.example:3478", "TURN_SECRET": "s",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"MIEN_{name}", text)
    found = Serve()
    assert (found.port, found.device, found.overlay, found.media) == (9001, "cpu", "off", "internet")
    settings = found.settings()
    assert settings.max_sessions == 3
    assert settings.keep_identities == Path("/srv/heads")
    assert settings.relay.turn == ("turn:a.example:3478", "turn:b.example:3478")
    assert Serve(port=9002).port == 9002, "what is said aloud goes first"


@pytest.mark.parametrize(
    ("variable", "text", "complaint"),
    [
        ("MIEN_PORT", "http", "MIEN_PORT: expected a whole number, got 'http'"),
        ("MIEN_DETECTOR", "dlib", "MIEN_DETECTOR: expected one of mesh, task, got 'dlib'"),
    ],
)
def test_what_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch, variable: str, text: str, complaint: str) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(MienError, match=complaint):
        Serve()
