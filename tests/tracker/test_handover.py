"""Things from thread to thread, in order, whatever breaks in."""

import subprocess
import sys
import threading
from pathlib import Path

from tracker.jobs.handover import Handover

ROOT = Path(__file__).parents[2]


def test_things_come_in_order_and_only_so_many_wait() -> None:
    handover: Handover[int] = Handover(3)
    put: list[int] = []

    def fill() -> None:
        for number in range(10):
            handover.put(number)
            put.append(number)

    thread = threading.Thread(target=fill)
    thread.start()
    taken = []
    for _ in range(10):
        taken.append(handover.take())
        assert len(put) <= len(taken) + 3
    thread.join()
    assert taken == list(range(10))


PROGRAM = """
import random, signal, threading, time
from tracker.jobs.handover import Handover

def interrupt(seconds):
    time.sleep(seconds)
    signal.raise_signal(signal.SIGINT)

def empty(handover, taken):
    while (number := handover.take()) is not None:
        taken.append(number)

wait = random.Random(0)
for _ in range(50):
    handover, taken, put = Handover(2), [], 0
    taker = threading.Thread(target=empty, args=(handover, taken), daemon=True)
    taker.start()
    try:
        threading.Thread(target=interrupt, args=(wait.uniform(0, 0.005),)).start()
        while True:
            handover.put(put)
            put += 1
    except KeyboardInterrupt:
        handover.put_at_once(None)
    taker.join(60)
    assert not taker.is_alive()
    assert taken == list(range(len(taken))) and put <= len(taken) <= put + 1
"""


def test_a_ctrl_c_at_any_instant_leaves_it_whole() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, check=True, timeout=240)
