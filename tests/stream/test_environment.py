"""Options from the environment."""

from dataclasses import fields
from pathlib import Path

import pytest

from mien import parse
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


@pytest.mark.parametrize("option", [option.name for option in fields(Serve)])
def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    """An empty path would be the working directory: faces would be kept there, and nobody had asked for it."""
    unset = Serve()
    monkeypatch.setenv(f"MIEN_{option.upper()}", "")
    assert Serve() == unset


def test_the_help_keeps_secrets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MIEN_TOKEN", "token-0123")
    monkeypatch.setenv("MIEN_TURN_SECRET", "secret-4567")
    monkeypatch.setenv("MIEN_PORT", "9001")
    with pytest.raises(SystemExit):
        parse(["serve", "-h"])
    told = capsys.readouterr().out
    assert "9001" in told
    assert "--turn-secret" in told
    assert "token-0123" not in told
    assert "secret-4567" not in told


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
