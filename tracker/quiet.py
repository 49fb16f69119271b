"""Keeping MediaPipe's start-up notes off the terminal."""

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_START_UP_NOTES = re.compile(
    rb"landmark_projection_calculator|inference_feedback_manager|Created TensorFlow Lite|before absl::InitializeLog"
    rb"|gl_context|model_task_graph"
)

_one_at_a_time = threading.RLock()  # two that end crosswise would leave descriptor 2 with the other's file


@contextmanager
def start_up_notes_hidden() -> Iterator[None]:
    """MediaPipe's native code writes start-up notes to file descriptor 2, whatever its log level is set to.

    Everything written meanwhile is held back and then passed on, without those notes.
    """
    sys.stderr.flush()
    with _one_at_a_time, tempfile.TemporaryFile() as held:
        kept = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            held.seek(0)
            for line in held:
                if not _START_UP_NOTES.search(line):
                    os.write(kept, line)
            os.close(kept)
