"""Keeping MediaPipe's start-up notes off the terminal."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_START_UP_NOTES = re.compile(
    rb"landmark_projection_calculator|inference_feedback_manager|Created TensorFlow Lite|before absl::InitializeLog"
    rb"|gl_context|model_task_graph"
)


@contextmanager
def start_up_notes_hidden() -> Iterator[None]:
    """MediaPipe's native code writes start-up notes to file descriptor 2, whatever its log level is set to.

    Everything written meanwhile is held back and then passed on, without those notes.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
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
