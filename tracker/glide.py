"""Where the head will be in the next frame, if it goes on as it moves: what a frame is held against.

Held against where it was, a head in slow motion would stick and slip. The velocity is that of the camera's six
unknowns, follows what the frames say, and fades by itself, so that a still head is expected to stay.
"""

from dataclasses import dataclass, replace

import numpy as np

from tracker.live import Floats, Posterior
from tracker.state_kernel import difference, retract


@dataclass(frozen=True)
class GlideConfig:
    keep: float = 0.8
    # Of the velocity, in a thirtieth of a second.
    follow: float = 0.3
    # Of what a frame's motion was beyond the expected.


class Glide:
    """The motion of one head from frame to frame."""

    def __init__(self, config: GlideConfig | None = None) -> None:
        self._config = config or GlideConfig()
        self._velocity: Floats = np.zeros(6, np.float32)  # turn and shift of the camera in a thirtieth of a second

    def expect(self, last: Posterior, time_s: float) -> Posterior:
        """The last posterior, carried on to this time."""
        keep, elapsed = self._config.keep, _thirtieths(last, time_s)
        step = np.zeros(len(last.variance), np.float32)
        step[-6:] = self._velocity * ((1 - keep**elapsed) / (1 - keep))
        return replace(last, state=retract(last.state, step))

    def note(self, now: Posterior, used: Posterior | None) -> None:
        """What became of it; `used` is what the frame was held against, None where it began anew."""
        if used is None:
            self._velocity = np.zeros(6, np.float32)
            return
        elapsed = _thirtieths(used, now.time_s)
        beyond = difference(now.state, used.state)[-6:]
        kept = np.float32(self._config.keep**elapsed) * self._velocity
        # Frames that come close together tell no more of it, and their noise would seem fast.
        self._velocity = kept + np.float32(self._config.follow / max(elapsed, 1)) * beyond


def _thirtieths(last: Posterior, time_s: float) -> float:
    """Of a second since then; never none."""
    return max(30 * (time_s - last.time_s), 0.03)
