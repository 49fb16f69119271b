"""Heads with borrowed shapes are made once, few are kept, and threads that ask together wait for one making."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from models.builtin import load_builtin
from models.head import Head
from models.types import MienError
from render.borrowed import Kept, borrowed_head, forget_borrowed
from render.morphs import arkit_morphs
from tests.render.performance import IDENTITY

HEAD = load_builtin()


def counted(made: list[str], name: str) -> Callable[[], Head]:
    def make() -> Head:
        made.append(name)
        return replace(HEAD, name=name)

    return make


def test_few_are_kept_and_those_in_use_longest() -> None:
    kept, made = Kept(2), list[str]()
    for name in "abacab":
        assert kept.get(name, counted(made, name)).name == name
    assert made == ["a", "b", "c", "b"]


def test_one_making_for_all_who_ask_together() -> None:
    kept, made, go = Kept(2), list[str](), threading.Event()

    def slowly() -> Head:
        go.wait(60)
        return counted(made, "a")()

    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(kept.get, "a", slowly) for _ in range(4)]
        assert kept.get("b", counted(made, "b")).name == "b"  # nobody waits for another head
        go.set()
        heads = {id(one.result(60)) for one in asked}
    assert made == ["b", "a"]
    assert len(heads) == 1


def test_a_failure_is_told_and_not_kept() -> None:
    kept, made = Kept(2), list[str]()

    def fail() -> Head:
        raise MienError("no head")

    with pytest.raises(MienError, match="no head"):
        kept.get("a", fail)
    assert kept.get("a", counted(made, "a")).name == "a"


def test_who_waited_for_a_making_that_was_broken_off_makes_it_themselves() -> None:
    kept, made, asked = Kept(2), list[str](), list[Future[Head]]()

    def broken_off() -> Head:
        asked.append(threads.submit(kept.get, "a", counted(made, "a")))
        while not kept._made["a"]._condition._waiters:  # type: ignore[attr-defined]
            time.sleep(0.001)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as threads:
        with pytest.raises(KeyboardInterrupt):
            kept.get("a", broken_off)
        assert asked[0].result(60).name == "a"
    assert made == ["a"]


def test_a_person_s_second_export_lends_nothing_again() -> None:
    other = replace(HEAD, expression_names=tuple(f"shape{k}" for k in range(HEAD.expression_size)), name="Other 1")
    first = arkit_morphs(other, IDENTITY)
    lent = borrowed_head(other, IDENTITY.shape)
    assert borrowed_head(replace(other), IDENTITY.shape.clone()) is lent
    forget_borrowed()
    assert borrowed_head(other, IDENTITY.shape) is not lent
    again = arkit_morphs(other, replace(IDENTITY, focal_px=500.0))
    assert np.array_equal(first.targets, again.targets)
