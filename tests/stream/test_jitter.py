"""The prompt jitter buffer against aiortc's own, packet by packet: sooner, and never worse."""

import random
from dataclasses import dataclass, replace

import aiortc
import pytest
from aiortc import rtcrtpreceiver
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket

from stream import jitter
from stream.jitter import PromptFrame, PromptJitterBuffer

STEP = 3000


@dataclass(frozen=True)
class Packet:
    sequence: int
    timestamp: int
    marker: int
    data: bytes
    begins: bool = False

    def rtp(self) -> RtpPacket:
        packet = RtpPacket(96, self.marker, self.sequence % 65536, self.timestamp % 2**32)
        packet._data = self.data  # type: ignore[attr-defined]
        packet.payload = bytes([0x10 if self.begins else 0]) + self.data if self.data else b""
        return packet


def stream(frames: int, seed: int, padding: float = 0.0, largest: int = 6) -> tuple[list[Packet], dict[int, bytes]]:
    """Packets of a video in order, and what each frame holds by its timestamp."""
    dice = random.Random(seed)
    packets: list[Packet] = []
    sequence, timestamp = dice.choice([0, 65_400]), dice.choice([0, 2**32 - 9 * STEP])
    whole = {}
    for _ in range(frames):
        count = dice.randint(1, largest)
        parts = [f"{timestamp}:{part};".encode() for part in range(count)]
        for part, data in enumerate(parts):
            packets.append(Packet(sequence, timestamp, int(part == count - 1), data, part == 0))
            sequence += 1
        while dice.random() < padding:
            packets.append(Packet(sequence, timestamp, 0, b""))
            sequence += 1
        whole[timestamp % 2**32] = b"".join(parts)
        timestamp += STEP
    return packets, whole


def frames_of(buffer: JitterBuffer, packets: list[Packet]) -> list[JitterFrame]:
    """All that comes out, in order."""
    out: list[JitterFrame] = []
    for packet in packets:
        _, frame = buffer.add(packet.rtp())
        if frame is not None:
            out += [frame, *(frame.followers if isinstance(frame, PromptFrame) else [])]
    return out


def original() -> JitterBuffer:
    return JitterBuffer(capacity=512, is_video=True)


def prompt() -> PromptJitterBuffer:
    return PromptJitterBuffer(capacity=512, is_video=True)


def test_a_frame_leaves_with_its_last_packet() -> None:
    packets, whole = stream(200, seed=1)
    buffer = prompt()
    left = [(packet, buffer.add(packet.rtp())[1]) for packet in packets]
    for packet, frame in left:
        assert (frame is not None) == bool(packet.marker)
        if frame is not None:
            assert (frame.timestamp, frame.data) == (packet.timestamp % 2**32, whole[packet.timestamp % 2**32])


def test_the_original_is_a_frame_later_with_the_same_frames() -> None:
    packets, _ = stream(200, seed=2)
    ours, theirs = frames_of(prompt(), packets), frames_of(original(), packets)
    assert [(f.timestamp, f.data) for f in ours[:-1]] == [(f.timestamp, f.data) for f in theirs]


def disturbed(
    packets: list[Packet], seed: int, loss: float, reorder: float, twice: float, resend: float
) -> list[Packet]:
    """As a bad network delivers them: some never, some late, some twice; lost ones may be sent again."""
    dice = random.Random(seed)
    timed: list[tuple[float, Packet]] = []
    for at, packet in enumerate(packets):
        late = dice.uniform(1, 60) if dice.random() < reorder else 0.0
        if dice.random() >= loss:
            timed.append((at + late, packet))
        elif dice.random() < resend:
            timed.append((at + dice.uniform(5, 150), packet))
        if dice.random() < twice:
            timed.append((at + dice.uniform(0, 150), packet))
    return [packet for _, packet in sorted(timed, key=lambda entry: entry[0])]


@pytest.mark.parametrize(
    ("loss", "reorder", "twice", "resend"),
    [
        (0.02, 0.0, 0.0, 1.0),
        (0.05, 0.0, 0.0, 0.5),
        (0.0, 0.1, 0.0, 0.0),
        (0.0, 0.0, 0.1, 0.0),
        (0.03, 0.05, 0.05, 0.8),
    ],
)
@pytest.mark.parametrize("padding", [0.0, 0.3])
@pytest.mark.parametrize("largest", [1, 6, 150])
def test_nothing_more_is_lost_or_torn(
    loss: float, reorder: float, twice: float, resend: float, padding: float, largest: int
) -> None:
    for seed in range(12):
        packets, whole = stream(400 if largest < 100 else 60, seed, padding, largest)
        delivered = disturbed(packets, seed, loss, reorder, twice, resend)
        theirs, ours = frames_of(original(), delivered), frames_of(prompt(), delivered)
        assert intact(theirs, whole) <= intact(ours, whole), f"lost more with seed {seed}"
        assert torn(ours, whole) <= torn(theirs, whole), f"tore more with seed {seed}"
        times = [frame.timestamp for frame in ours]
        assert len(set(times)) == len(times), "a frame came twice"


@pytest.mark.parametrize("largest", [1, 6, 150])
def test_on_a_dreadful_network_more_comes_through(largest: int) -> None:
    """A fifth lost, a tenth late, a tenth twice: which frames survive is chance there, how many is not."""
    ours_intact, theirs_intact = 0, 0
    for seed in range(12):
        packets, whole = stream(400 if largest < 100 else 60, seed, 0.3, largest)
        delivered = disturbed(packets, seed, 0.2, 0.1, 0.1, 0.5)
        theirs, ours = frames_of(original(), delivered), frames_of(prompt(), delivered)
        ours_intact, theirs_intact = ours_intact + len(intact(ours, whole)), theirs_intact + len(intact(theirs, whole))
        assert not torn(ours, whole)
    assert ours_intact >= theirs_intact


def intact(frames: list[JitterFrame], whole: dict[int, bytes]) -> set[int]:
    return {frame.timestamp for frame in frames if frame.data == whole.get(frame.timestamp)}


def torn(frames: list[JitterFrame], whole: dict[int, bytes]) -> set[int]:
    return {frame.timestamp for frame in frames if frame.data and frame.data != whole.get(frame.timestamp)}


def test_a_repaired_gap_frees_all_that_waited_at_once() -> None:
    packets, _ = stream(20, seed=3, largest=1)
    late = packets[5]
    delivered = [*packets[:5], *packets[6:15], late, *packets[15:]]
    buffer, out = prompt(), []
    for packet in delivered:
        _, frame = buffer.add(packet.rtp())
        out.append(0 if frame is None else 1 + len(frame.followers))  # type: ignore[attr-defined]
    assert out == [1] * 5 + [0] * 9 + [10] + [1] * 5


def test_a_sender_with_other_markers_is_handled_as_the_original_would() -> None:
    """Some mark every packet. A few frames are torn before that is noticed, then none."""
    packets, whole = stream(100, seed=4)
    marked = [replace(packet, marker=1) for packet in packets]
    ours = frames_of(prompt(), marked)
    assert len(intact(ours, whole)) >= 95


def test_audio_is_left_alone() -> None:
    buffer = PromptJitterBuffer(capacity=16, prefetch=4)
    packets, _ = stream(30, seed=5, largest=1)
    ours, theirs = frames_of(buffer, packets), frames_of(JitterBuffer(capacity=16, prefetch=4), packets)
    assert [frame.data for frame in ours] == [frame.data for frame in theirs]


def test_the_switch_and_the_version_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    def installed() -> object:
        return vars(rtcrtpreceiver)["JitterBuffer"]

    monkeypatch.setattr(rtcrtpreceiver, "JitterBuffer", JitterBuffer)
    assert not jitter.install(wanted=False)
    assert installed() is JitterBuffer
    assert jitter.install()
    assert installed() is PromptJitterBuffer
    monkeypatch.setattr(aiortc, "__version__", "1.17.0")
    assert not jitter.install()
    assert installed() is JitterBuffer
