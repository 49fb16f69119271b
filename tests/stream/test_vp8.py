"""The codec's limits, times and settings, on real video."""

from fractions import Fraction

import numpy as np
import pytest
from aiortc.codecs import vpx
from aiortc.codecs.vpx import Vp8Encoder, vp8_depayload
from av import VideoFrame

from stream import vp8
from stream.jitter import PromptFrame
from stream.vp8 import Decoded, LimitedVp8Decoder, QuickVp8Encoder, TooLarge, keyframe_size
from tests.stream.clip import clip, read_barcode, with_barcode


@pytest.fixture(autouse=True)
def _settings_as_before() -> object:
    yield
    vp8.install(None, 1920 * 1080)


def frame(number: int, size: tuple[int, int] = (640, 480)) -> VideoFrame:
    image = with_barcode(clip()[number], number)
    made = VideoFrame.from_ndarray(image, format="rgb24").reformat(width=size[0], height=size[1], format="yuv420p")
    made.pts, made.time_base = number * 3001, Fraction(1, 90_000)
    return made


def encoded(encoder: Vp8Encoder, video: VideoFrame, keyframe: bool = False) -> PromptFrame:
    payloads, timestamp = encoder.encode(video, keyframe)
    return PromptFrame(b"".join(map(vp8_depayload, payloads)), timestamp)


def test_times_are_kept_to_the_tick() -> None:
    encoder = QuickVp8Encoder()
    assert [encoded(encoder, frame(number)).timestamp for number in range(30)] == [n * 3001 for n in range(30)]


def test_frames_survive_both_ways_in_any_size() -> None:
    encoder, decoder = QuickVp8Encoder(), LimitedVp8Decoder()
    for number, size in enumerate([(640, 480)] * 3 + [(480, 360)] * 3 + [(640, 480)] * 3):
        (seen,) = decoder.decode(encoded(encoder, frame(number, size)))
        assert isinstance(seen, VideoFrame)
        assert (seen.width, seen.height) == size
        assert isinstance(seen.opaque, Decoded)
        if size == (640, 480):
            assert read_barcode(seen.to_ndarray(format="rgb24").astype(np.uint8)) == number


def test_frames_that_come_together_are_all_decoded() -> None:
    encoder = QuickVp8Encoder()
    first, *others = [encoded(encoder, frame(number)) for number in range(4)]
    first.followers = others
    first.timestamp = 50  # as the receiver maps it
    seen = LimitedVp8Decoder().decode(first)
    assert [picture.pts for picture in seen] == [50, 3051, 6052, 9053]


def test_frames_that_nobody_takes_are_not_piled_up() -> None:
    encoder, decoder = QuickVp8Encoder(), LimitedVp8Decoder()
    waiting = [picture for number in range(20) for picture in decoder.decode(encoded(encoder, frame(number)))]
    assert len(waiting) == vp8.MOST_LIVING
    waiting.clear()
    (seen,) = decoder.decode(encoded(encoder, frame(20)))
    assert isinstance(seen, VideoFrame)
    assert isinstance(seen.opaque, Decoded)
    assert seen.opaque.overtaken == 20 - vp8.MOST_LIVING
    assert read_barcode(seen.to_ndarray(format="rgb24").astype(np.uint8)) == 20


def test_of_a_burst_the_newest_are_handed_on() -> None:
    encoder, count = QuickVp8Encoder(), vp8.MOST_LIVING + 8
    first, *others = [encoded(encoder, frame(number)) for number in range(count)]
    first.followers = others
    seen = LimitedVp8Decoder().decode(first)
    assert [picture.pts for picture in seen] == [3001 * number for number in range(8, count)]
    notes = [picture.opaque for picture in seen]
    assert [note.overtaken for note in notes if isinstance(note, Decoded)] == [8] + [0] * (vp8.MOST_LIVING - 1)


def test_a_picture_over_the_limit_is_not_decoded() -> None:
    vp8.install(None, 400 * 400)
    key = encoded(QuickVp8Encoder(), frame(0))
    assert keyframe_size(key.data) == (640, 480)
    (refusal,) = LimitedVp8Decoder().decode(key)
    assert isinstance(refusal.opaque, TooLarge)
    assert (refusal.opaque.width, refusal.opaque.height) == (640, 480)
    claimed = bytearray(key.data)
    claimed[6:10] = b"\xff\x3f\xff\x3f"  # 16383 x 16383
    (refusal,) = LimitedVp8Decoder().decode(PromptFrame(bytes(claimed), 0))
    assert isinstance(refusal.opaque, TooLarge)


def test_empty_frames_are_skipped() -> None:
    decoder, encoder = LimitedVp8Decoder(), QuickVp8Encoder()
    assert decoder.decode(PromptFrame(b"", 0)) == []
    assert len(decoder.decode(encoded(encoder, frame(1)))) == 1


def test_a_held_rate_stays_and_makes_no_new_keyframes() -> None:
    vp8.install(1_000_000, 1920 * 1080)
    encoder = QuickVp8Encoder()
    sizes = []
    for number in range(60):
        encoder.target_bitrate = 300_000 + 40_000 * (number % 30)  # what a receiver's estimate does at first
        sizes.append(keyframe_size(encoded(encoder, frame(number)).data))
    assert encoder.target_bitrate == 1_000_000
    assert sizes[0] == (640, 480)
    assert sizes[1:] == [None] * 59
    vp8.install(None, 1920 * 1080)
    assert (vpx.MIN_BITRATE, vpx.MAX_BITRATE) == (250_000, 1_500_000)


def test_a_keyframe_comes_when_asked_for() -> None:
    encoder = QuickVp8Encoder()
    encoded(encoder, frame(0))
    assert keyframe_size(encoded(encoder, frame(1)).data) is None
    assert keyframe_size(encoded(encoder, frame(2), keyframe=True).data) == (640, 480)


@pytest.mark.parametrize("sigma", [0.0, 2.5])
def test_the_picture_is_hardly_worse_than_with_the_original_settings(sigma: float) -> None:
    """Of a camera without noise, and of one as they are: less than 0.4 dB may be lost, for which it is much quicker."""
    vp8.install(1_000_000, 1920 * 1080)
    assert fidelity_db(QuickVp8Encoder(), sigma) > fidelity_db(Vp8Encoder(), sigma) - 0.4


def fidelity_db(encoder: Vp8Encoder, sigma: float) -> float:
    dice = np.random.default_rng(0)
    decoder, values = LimitedVp8Decoder(), []
    for number in range(60):
        planes = frame(number).to_ndarray()
        planes = (planes + dice.normal(0, sigma, planes.shape)).clip(0, 255).round().astype(np.uint8)
        sent = VideoFrame.from_ndarray(planes, format="yuv420p")
        sent.pts, sent.time_base = number * 3001, Fraction(1, 90_000)
        (seen,) = decoder.decode(encoded(encoder, sent))
        assert isinstance(seen, VideoFrame)
        difference = seen.to_ndarray().astype(float) - planes
        values.append(10 * np.log10(255**2 / (difference**2).mean()))
    return float(np.mean(values[20:]))
