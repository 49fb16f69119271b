"""Pictures and videos of every kind come in upright, whole and timed, or are refused with a reason."""

import struct
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from models.types import Frame, MienError
from tests.tracker.people import Picture, swaying, write_video
from tracker.jobs.reading import _time, find_pictures, open_video, read_picture

SQUARES = np.zeros((40, 60, 3), np.uint8)  # red above left, green above right, blue below
SQUARES[:20, :30, 0] = SQUARES[:20, 30:, 1] = SQUARES[20:, :, 2] = 255


def close(a: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], b: object, levels: int = 3) -> bool:
    return bool((np.abs(a.astype(int) - np.asarray(b, int)) <= levels).all())


# Pictures.


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "YCbCr"])
def test_colour_modes_give_their_colours(tmp_path: Path, mode: str) -> None:
    file = tmp_path / ("a.tif" if mode in ("CMYK", "YCbCr") else "a.png")
    Image.fromarray(SQUARES).convert(mode).save(file)
    picture = read_picture(file)
    assert picture.shape == (40, 60, 3)
    assert picture.dtype == np.uint8
    assert close(picture, SQUARES)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "I", "F"])
def test_grey_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    ramp = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[None], 20, 0)
    file = tmp_path / "a.tif"
    if mode in ("I;16", "I"):
        Image.fromarray(ramp.astype(np.uint16) * 257).convert(mode).save(file)
    elif mode == "F":
        Image.fromarray(ramp.astype(np.float32) / 255).save(file)
    else:
        Image.fromarray(ramp).convert(mode).save(file)
    picture = read_picture(file)
    assert picture.shape == (20, 64, 3)
    if mode != "1":
        assert close(picture, np.repeat(ramp[:, :, None], 3, 2))


def test_transparent_parts_stand_on_white(tmp_path: Path) -> None:
    image = Image.fromarray(SQUARES).convert("RGBA")
    image.putalpha(Image.fromarray(np.where(np.arange(60) < 30, 0, 255).astype(np.uint8)[None].repeat(40, 0)))
    image.save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert (picture[:, :30] == 255).all()
    assert (picture[:, 30:] == SQUARES[:, 30:]).all()


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [(1, SQUARES), (3, SQUARES[::-1, ::-1]), (6, np.rot90(SQUARES, -1)), (8, np.rot90(SQUARES)), (2, SQUARES[:, ::-1])],
)
def test_exif_turns_the_picture(tmp_path: Path, orientation: int, turned: object) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(SQUARES).save(tmp_path / "a.png", exif=exif)
    assert close(read_picture(tmp_path / "a.png"), turned)


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (8000, 80), (3000, 2500)])
def test_every_size(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size, "teal").save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").shape == (size[1], size[0], 3)


def test_a_picture_too_large_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    Image.new("1", (20_000, 8_000)).save(tmp_path / "bomb.png")
    with pytest.raises(MienError, match="at most 100 million pixels, got 20000x8000"):
        read_picture(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\x89PNG\r\n"]
)
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(MienError, match="expected a"):
        read_picture(tmp_path / "a.png")


def test_a_cut_off_picture_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:5000])
    with pytest.raises(MienError, match="expected a whole picture"):
        read_picture(tmp_path / "a.jpg")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["png", "jpg", "tif", "webp", "gif", "bmp"]), st.data())
def test_a_damaged_picture_is_read_or_refused(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    file = tmp_path / f"a.{kind}"
    Image.fromarray(SQUARES).save(file)
    content = bytearray(file.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    with suppress(MienError):
        assert read_picture(file).ndim == 3


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(MienError, match="no such file"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(MienError, match="this is a folder"):
        read_picture(tmp_path)


def test_no_picture_at_all_is_told() -> None:
    with pytest.raises(MienError, match="expected pictures"):
        find_pictures(())


def test_folders_give_their_pictures_in_order(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "c.png").mkdir()
    named = tmp_path / "b.JPG"
    assert find_pictures((named, tmp_path)) == [named, tmp_path / "a.png"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(MienError, match="expected a folder with pictures"):
        find_pictures((tmp_path / "empty",))


# Videos.


def frames_of(path: Path) -> list[Frame]:
    return list(open_video(path))


def test_frames_come_in_order_with_their_time(tmp_path: Path) -> None:
    pictures = swaying(12)
    frames = frames_of(write_video(tmp_path / "a.mp4", pictures))
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.time_s for frame in frames] == pytest.approx([i / 25 for i in range(12)])
    assert np.abs(frames[7].image.astype(int) - pictures[7]).mean() < 6


def test_a_changing_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0, 0.04, 0.08, 0.5, 0.54, 1.3, 1.301, 2.0]
    frames = frames_of(write_video(tmp_path / "a.mp4", swaying(8), times))
    assert [frame.time_s for frame in frames] == pytest.approx(times, abs=2e-3)


@pytest.mark.parametrize(("width", "height"), [(321, 241), (17, 400), (3840, 2160)])
def test_every_video_size(tmp_path: Path, width: int, height: int) -> None:
    video = write_video(tmp_path / "a.mkv", [np.full((height, width, 3), 90, np.uint8)] * 2)
    assert [frame.image.shape for frame in frames_of(video)] == [(height, width, 3)] * 2


def lay(video: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Note in an MP4 how a player is to turn it: where its width points to (x, y), and its height."""
    content = video.read_bytes()
    place = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    video.write_bytes(content[:place] + turned + content[place + len(turned) :])
    return video


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), lambda picture: picture),
        ((0, 1, -1, 0), lambda picture: np.rot90(picture, -1)),
        ((0, -1, 1, 0), np.rot90),
        ((-1, 0, 0, -1), lambda picture: np.rot90(picture, 2)),
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), lambda picture: picture.swapaxes(0, 1)),
        ((0, -1, -1, 0), lambda picture: np.rot90(picture, 2).swapaxes(0, 1)),
        ((0, 0, 0, 0), lambda picture: picture),
    ],
)
def test_a_phone_held_in_any_way_is_set_upright(
    tmp_path: Path, matrix: tuple[int, int, int, int], shown: Callable[[Picture], Picture]
) -> None:
    upright = swaying(3)
    frame = frames_of(lay(write_video(tmp_path / "a.mp4", upright), matrix))[0].image
    assert frame.shape == shown(upright[0]).shape
    assert np.abs(frame.astype(int) - shown(upright[0])).mean() < 6


def test_pixels_that_are_no_squares_are_made_square(tmp_path: Path) -> None:
    upright = swaying(3)
    half = [picture[:, ::2] for picture in upright]
    frame = frames_of(write_video(tmp_path / "a.mp4", half, pixel_shape=Fraction(2)))[0].image
    assert frame.shape == upright[0].shape
    assert np.abs(frame.astype(int) - upright[0]).mean() < 12


def test_a_late_beginning_is_no_loss(tmp_path: Path) -> None:
    video = open_video(write_video(tmp_path / "a.mkv", swaying(5), [1000 + 0.04 * k for k in range(5)]))
    assert [frame.time_s for frame in video] == pytest.approx([1000 + 0.04 * k for k in range(5)])
    assert video.frames_promised == 5
    assert not video.lost


def test_a_beginning_before_zero_keeps_its_times(tmp_path: Path) -> None:
    times = [-0.5 + 0.04 * k for k in range(20)]
    video = open_video(write_video(tmp_path / "a.ts", swaying(20), times))
    assert [frame.time_s for frame in video] == pytest.approx(times)


@pytest.mark.parametrize(
    ("noted", "told"),
    [
        ((None, None, 0.5, None), (0, 0.04, 0.5, 0.54)),
        ((-0.5, None, -0.6, 1), (-0.5, -0.46, -0.42, 1)),
        ((-0.5, -0.46, 0, 0), (-0.5, -0.46, 0, 0.04)),
    ],
)
def test_times_increase_whatever_the_file_notes(noted: tuple[float | None, ...], told: tuple[float, ...]) -> None:
    last, times = -np.inf, []
    for time in noted:
        last = _time(SimpleNamespace(time=time), last, 25)
        times.append(last)
    assert times == pytest.approx(told)


def test_a_cut_off_video_gives_what_is_there_and_says_what_is_lost(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mkv", swaying(60)).read_bytes()
    (tmp_path / "a.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    video = open_video(tmp_path / "a.mkv")
    frames = list(video)
    assert 20 < len(frames) < 55
    assert video.lost


def test_damage_in_the_middle_costs_some_frames_only(tmp_path: Path) -> None:
    content = bytearray(write_video(tmp_path / "a.mkv", swaying(60)).read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = b"\xff" * 400
    (tmp_path / "a.mkv").write_bytes(content)
    frames = frames_of(tmp_path / "a.mkv")
    assert len(frames) >= 20
    times = [frame.time_s for frame in frames]
    assert all(later > earlier for earlier, later in pairwise(times))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp4", b""),
        ("text.mp4", b"not a video" * 100),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"),
        ("list.mp4", b"ffconcat version 1.0\nfile /etc/hostname\n"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MienError, match="expected a video that FFmpeg reads"):
        open_video(tmp_path / name)


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mkv", swaying(30)).read_bytes()
    cluster = whole.index(b"\x1f\x43\xb6\x75")
    (tmp_path / "a.mkv").write_bytes(whole[: cluster + 12])
    with pytest.raises(MienError, match="expected a video"):
        frames_of(tmp_path / "a.mkv")


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    import wave

    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    with pytest.raises(MienError, match="expected a video"):
        open_video(tmp_path / "a.wav")


@pytest.mark.parametrize("name", ["http://127.0.0.1:9/a.mp4", "concat:a|b", "none.mp4"])
def test_an_address_is_no_file(name: str) -> None:
    with pytest.raises(MienError, match="no such file"):
        open_video(Path(name))


def test_leaving_early_ends_the_decoding(tmp_path: Path) -> None:
    import threading

    video = open_video(write_video(tmp_path / "a.mp4", swaying(40)))
    for frame in video:
        if frame.index == 2:
            break
    del frame
    assert not [thread for thread in threading.enumerate() if thread.name == "decode" and thread.is_alive()]
