"""Heads with the 52 shapes lent to a person whose own head has others: seconds of work, so the newest few are kept."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any

import numpy as np
from torch import Tensor

from models.borrow import Surface, borrow_head
from models.embedding import fit_builtin
from models.head import Head, embed, shape_head
from models.transfer import Transfer
from models.types import MienError

MOST_KEPT = 3  # some 10 MB each, of the largest heads 40


class Kept:
    """What was made last, by key. Threads that ask for the same at once share one making; a failure is not kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._made: OrderedDict[Any, Future[Head]] = OrderedDict()

    def get(self, key: Any, make: Callable[[], Head]) -> Head:
        with self._lock:
            found, mine = self._made.get(key), Future[Head]()
            if found is None:
                self._made[key] = mine
            self._made.move_to_end(key)
            while len(self._made) > self._most:
                self._made.popitem(last=False)
        if found is not None:
            try:
                return found.result()
            except CancelledError:  # its maker was broken off, which is no concern of who waited
                return self.get(key, make)
        try:
            mine.set_result(make())
        except BaseException as error:
            with self._lock:
                if self._made.get(key) is mine:
                    del self._made[key]
            if isinstance(error, Exception):
                mine.set_exception(error)
            else:
                mine.cancel()
            raise
        return mine.result()

    def clear(self) -> None:
        with self._lock:
            self._made.clear()


_kept = Kept(MOST_KEPT)


def borrowed_head(head: Head, code: Tensor) -> Head:
    """The person's own mesh, of that identity code, as a head that speaks Apple's language."""
    key = head.sha256, head.expression_names, code.numpy().tobytes()
    return _kept.get(key, lambda: _borrow(head, code))


def forget_borrowed() -> None:
    """Nothing of anybody's face stays; whoever is still there waits once more."""
    _kept.clear()


def _borrow(head: Head, code: Tensor) -> Head:
    vertices = shape_head(head, code).template
    landmarks = embed(head.embedding, vertices).double().numpy()
    mesh = vertices.double().numpy()
    surface = Surface(head.uvs.numpy(), head.uv_triangles.numpy(), head.name, head.licence, head.sha256)
    try:
        fit = fit_builtin(mesh, head.triangles.numpy(), landmarks)
        return borrow_head(Transfer(fit, mesh, head.triangles.numpy()), surface, other_people=False)
    except (MienError, np.linalg.LinAlgError, RuntimeError) as error:
        raise MienError(
            f"this person's '{head.name}' looks too little like a head to lend it the 52 shapes ({error}); "
            "track the person again, from nearer or in better light"
        ) from error
