"""What the server writes down: one line per event, as words or as JSON, with session ids and never a face.

Sessions appear by the first eight characters of their id: enough to follow one, too few to watch it.
"""

import json
import logging
import sys
import time
from typing import Any

_logger = logging.getLogger("mien")


def event(name: str, *, session: str | None = None, level: str = "info", **facts: object) -> None:
    """Write an event down; facts are numbers, names and short texts."""
    number = logging.getLevelNamesMapping()[level.upper()]
    if _logger.isEnabledFor(number):
        told = {"session": session[:8]} if session else {}
        _logger.log(number, name, extra={"facts": {**told, **facts}})


class WordsFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = getattr(record, "facts", {})
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        told = "".join(f" {key}={_one_line(value)}" for key, value in facts.items())
        failure = "\n" + self.formatException(record.exc_info) if record.exc_info else ""
        return f"{clock} {record.levelname.lower()} {_one_line(record.getMessage())}{told}{failure}"


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = getattr(record, "facts", {})
        entry = {"time": round(record.created, 3), "level": record.levelname.lower(), "event": record.getMessage()}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps({**entry, **facts}, default=str)


def _one_line(value: object) -> str:
    """Texts may come from outside: nothing in them may look like a second line."""
    return "".join(character if character.isprintable() else "?" for character in str(value))


def set_up(as_json: bool, level: str = "info") -> None:
    """Mien's own events, and of the libraries below only what needs attention."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else WordsFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _logger.setLevel(level.upper())
    for noisy in ("aiortc", "aioice", "libav", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
