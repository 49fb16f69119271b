"""VP8 frames out of RTP packets without waiting for the next frame.

aiortc's jitter buffer hands a frame on when a packet of the *next* frame arrives, which costs a whole frame interval.
The last packet of a video frame carries RTP's marker bit (RFC 7741, section 4.1): a run without gaps that ends in it is
a whole frame, handed on at once here. On a bad network it never loses or tears a frame that the original would not, and
it mends three things: frames that a repaired gap sets free leave together, where the original lets one go per packet;
a late copy of an old packet does not empty the buffer; a frame whose beginning is lost is not handed on at all.
"""

import aiortc
import aiortc.rtcrtpreceiver
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket
from aiortc.utils import uint16_add

KNOWN_VERSION = "1.16.0"  # the private methods overridden here are those of this version
COUNTS_ANEW = 50  # packets in a row that look old: not copies, but a sender that has begun again


class PromptFrame(JitterFrame):
    """A frame, and those that became complete with it, in order."""

    def __init__(self, data: bytes, timestamp: int) -> None:
        super().__init__(data, timestamp)
        self.rtp_timestamp = timestamp  # `timestamp` is mapped to the stream's own time by the receiver
        self.followers: list[PromptFrame] = []


class PromptJitterBuffer(JitterBuffer):
    """The original for audio; for VP8 video, frames leave with their marked packet."""

    def __init__(self, capacity: int, prefetch: int = 0, is_video: bool = False) -> None:
        super().__init__(capacity, prefetch, is_video)
        self._trusts_marker = is_video
        self._last_timestamp: int | None = None  # of the last frame that left
        self._stale_in_a_row = 0

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        if not self._trusts_marker:
            return super().add(packet)
        if self._is_stale(packet):
            return False, None
        frames = self._make_room(packet)
        made_room = frames is not None
        lost, frame = super().add(packet)
        every = [*(frames or []), *([frame] if isinstance(frame, PromptFrame) else []), *self._whole_frames()]
        return lost or made_room, _together(every)

    def _is_stale(self, packet: RtpPacket) -> bool:
        """A second copy, or a copy that comes too late. From 100 packets back on, the original empties itself then.

        It does so for senders that begin to count anew; such a one goes on to send what looks old.
        """
        if self._origin is None or self._last_timestamp is None:
            return False
        ahead = uint16_add(packet.sequence_number, -self._origin)
        behind = uint16_add(self._origin, -packet.sequence_number)
        age = (self._last_timestamp - packet.timestamp) % (1 << 32)
        if behind < ahead and age < 1 << 31 and self._stale_in_a_row < COUNTS_ANEW:
            self._stale_in_a_row += 1
            return True
        self._stale_in_a_row = 0
        return False

    def _make_room(self, packet: RtpPacket) -> list[PromptFrame] | None:
        """Give up the gap that everything waits for, once there is no room behind it; what it held up leaves.

        None where there is room, or where the original's way of making it is right: a jump, or an older packet.
        """
        frames: list[PromptFrame] | None = None
        while self._origin is not None:
            ahead = uint16_add(packet.sequence_number, -self._origin)
            if not self._capacity <= ahead < 1 << 15 or self.smart_remove(1):
                break
            frames = [*(frames or []), *self._whole_frames()]
        return frames

    def _whole_frames(self) -> list[PromptFrame]:
        frames = []
        while self._trusts_marker and self._origin is not None and (frame := self._remove_frame(0)) is not None:
            assert isinstance(frame, PromptFrame)
            frames.append(frame)
        return frames

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:
        if self._trusts_marker:
            self._drop_rests()
        if not self._trusts_marker:
            return super()._remove_frame(sequence_number)
        packets = self._first_frame()
        if not packets:
            return None
        frame = PromptFrame(b"".join(map(_data, packets)), packets[0].timestamp)
        self.remove(len(packets))
        self._last_timestamp = frame.timestamp
        return frame

    def _first_frame(self) -> list[RtpPacket]:
        """The packets of the first frame; empty while it is not complete."""
        packets: list[RtpPacket] = []
        for count in range(self._capacity):
            packet = self._at(count)
            if packet is None:
                return []
            if packets and packet.timestamp != packets[0].timestamp:
                return packets
            packets.append(packet)
            if packet.marker:
                return packets
        return []

    def _drop_rests(self) -> None:
        """What stands first and begins no frame: the rest of one whose beginning is lost, or padding, which is sent to
        probe the network and follows a frame under its timestamp."""
        while (packet := self._at(0)) is not None and not _begins_frame(packet):
            if packet.timestamp == self._last_timestamp and _data(packet):
                self._trusts_marker = False  # a frame goes on behind its marker: this sender means something else by it
                return
            self.remove(1)

    def _at(self, count: int) -> RtpPacket | None:
        assert self._origin is not None
        return self._packets[(self._origin + count) % self._capacity]


def _data(packet: RtpPacket) -> bytes:
    data: bytes = packet._data  # type: ignore[attr-defined]
    return data


def _begins_frame(packet: RtpPacket) -> bool:
    """By VP8's payload descriptor: S is set, and the partition is the first (RFC 7741, section 4.2)."""
    return len(packet.payload) > 0 and packet.payload[0] & 0x17 == 0x10


def _together(frames: list[PromptFrame]) -> PromptFrame | None:
    if not frames:
        return None
    frames[0].followers = frames[1:]
    return frames[0]


def install(wanted: bool = True) -> bool:
    """Use the prompt buffer for connections made from now on; False where it must not be."""
    prompt = wanted and aiortc.__version__ == KNOWN_VERSION
    aiortc.rtcrtpreceiver.JitterBuffer = PromptJitterBuffer if prompt else JitterBuffer  # type: ignore[attr-defined]
    return prompt
