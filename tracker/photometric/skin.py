"""A person's skin, learned beside the tracking: keyframes are gathered, and now and then made into a texture.

In the background the work is done aside, slice by slice, and lets live sessions go first. Otherwise it runs at once, at
frames that follow from the frames' own time alone: the same video gives the same texture.
"""

import logging

from torch import Tensor

from models.head import Head
from models.texture_space import TextureSpace
from models.types import Frame, Identity, MienError, State, TrackResult
from render.texture import Texture
from tracker.photometric.aside import Aside, Work
from tracker.photometric.keyframes import Keyframes
from tracker.photometric.texture import Solved, TextureSolver
from tracker.photometric.view import View

log = logging.getLogger(__name__)

FIRST_AFTER_S = 1.5  # of being tracked, the first texture is made
AGAIN_AFTER_S = 6.0  # the next one, if more sides of the head have been seen

_aside = Aside("texture")  # of all sessions


class SkinLearner:
    """For one tracker's thread. `texture` is the newest one, or None."""

    def __init__(self, head: Head, background: bool, textures: TextureSpace | None = None) -> None:
        self._head, self._textures = head, textures
        self._background = background
        self._solver: TextureSolver | None = None
        self._keyframes = Keyframes()
        self._identity: Identity | None = None
        self._due_s: float | None = None
        self._sides = 0  # of the head, in the newest texture
        self._work: Work | None = None  # begun in the background
        self._complete = False  # `solved` is all that the frames so far can tell
        self._learned: tuple[Tensor, Solved] | None = (
            None  # with whose it is: written aside, perhaps when they have gone
        )

    @property
    def solved(self) -> Solved | None:
        learned, identity = self._learned, self._identity
        return learned[1] if learned and (identity is None or identity.shape is learned[0]) else None

    @property
    def texture(self) -> Texture | None:
        solved = self.solved
        return None if solved is None else solved.texture

    def observe(self, frame: Frame, result: TrackResult, identity: Identity | None, make: bool = True) -> None:
        """Every frame, in order. Without `make` only keyframes are gathered."""
        self._complete = False
        if identity is None or (result.state is not State.TRACKING and self._identity is None):
            self._keyframes.offer(frame, result, identity)
            return
        if self._identity is None or self._identity.shape is not identity.shape:
            self.close()  # what there is, and what is in work, is another's
            self._identity, self._due_s, self._sides = identity, frame.time_s + FIRST_AFTER_S, 0
            self._learned = None
        self._keyframes.offer(frame, result, identity)
        due = make and self._due_s is not None and frame.time_s >= self._due_s and len(self._keyframes) > self._sides
        if due and not (self._work is not None and _aside.is_at(self._work)):
            self._due_s = frame.time_s + AGAIN_AFTER_S
            if self._start(identity):
                self._sides = len(self._keyframes)

    def learn(self, identity: Identity | None) -> Solved | None:
        """At once, from all keyframes; None where there are none, or they show too little of a face."""
        if identity is not None and len(self._keyframes) and not self._complete:
            self._solve(identity, self._keyframes.views())
            self._complete = True
        return self.solved

    def solver(self) -> TextureSolver:
        """Made when it is first asked for."""
        if self._solver is None:
            self._solver = TextureSolver(self._head, textures=self._textures)
        return self._solver

    def close(self) -> None:
        """Nothing is learned any more; at once, whatever is in work."""
        if self._work is not None:
            _aside.drop(self._work)
            self._work = None

    def _start(self, identity: Identity) -> bool:
        if not self._background:
            self._solve(identity, self._keyframes.views())
            return True
        self._work = self._slices(identity, self._keyframes.views())
        return _aside.begin(self._work)

    def _solve(self, identity: Identity, views: list[View]) -> None:
        for _ in self._slices(identity, views):
            pass

    def _slices(self, identity: Identity, views: list[View]) -> Work:
        try:
            for solved in self.solver().slices(identity, views):
                if solved is not None:
                    self._learned = identity.shape, solved
                yield
        except MienError as error:
            log.info("no texture: %s", error)
