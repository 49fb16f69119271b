"""Lent things: few, one borrower each, and none that has failed."""

import itertools
import threading

import pytest

from tracker.lending import Lending


class Tool:
    numbers = itertools.count()

    def __init__(self) -> None:
        self.number, self.users, self.closed = next(self.numbers), 0, False

    def close(self) -> None:
        self.closed = True


def test_the_same_one_is_lent_again() -> None:
    lending = Lending(Tool, most=3)
    with lending.one() as first:
        pass
    with lending.one() as again, lending.one() as second:
        assert again is first
        assert second is not first


def test_no_more_than_agreed_and_one_borrower_each() -> None:
    opened: list[Tool] = []
    lending = Lending(lambda: opened.append(Tool()) or opened[-1], most=2)  # type: ignore[func-returns-value]
    wrong: list[int] = []

    def work() -> None:
        for _ in range(200):
            with lending.one() as tool:
                tool.users += 1
                if tool.users != 1:
                    wrong.append(tool.number)
                tool.users -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) <= 2
    assert not wrong


def test_who_comes_when_all_are_out_waits() -> None:
    lending = Lending(Tool, most=1)
    got = threading.Event()

    def borrow() -> None:
        with lending.one():
            got.set()

    with lending.one():
        waiting = threading.Thread(target=borrow)
        waiting.start()
        assert not got.wait(0.05)
    waiting.join()
    assert got.is_set()


def test_one_that_fails_is_closed_and_another_opened() -> None:
    lending = Lending(Tool, most=1)
    with pytest.raises(ZeroDivisionError), lending.one() as broken:
        raise ZeroDivisionError
    assert broken.closed
    with lending.one() as whole:
        assert whole is not broken


def test_a_thing_that_cannot_be_opened_takes_no_place() -> None:
    answers = iter([OSError("no such file"), None])

    def open_one() -> Tool:
        failure = next(answers)
        if failure is not None:
            raise failure
        return Tool()

    lending = Lending(open_one, most=1)
    with pytest.raises(OSError, match="no such file"), lending.one():
        pass
    with lending.one() as tool:
        assert not tool.closed


def test_there_is_one_for_each_member_up_to_the_most() -> None:
    opened: list[Tool] = []
    lending = Lending(lambda: opened.append(Tool()) or opened[-1], most=2)  # type: ignore[func-returns-value]
    for count in (1, 2, 2):
        lending.join()
        assert len(opened) == count
    with lending.one(), lending.one():
        pass
    for _ in range(3):
        lending.leave()
    lending.join()
    assert len(opened) == 2, "those of before are there still"
    with pytest.raises(ZeroDivisionError), lending.one():
        raise ZeroDivisionError
    lending.join()
    assert len(opened) == 3, "one that failed is none"


def test_in_the_end_all_are_closed() -> None:
    lending = Lending(Tool, most=2)
    with lending.one() as first, lending.one() as second:
        pass
    lending.close()
    assert first.closed
    assert second.closed
