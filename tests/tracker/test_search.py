"""Finding the chosen face in pictures of any kind, and keeping to it. The person is scikit-image's astronaut."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.types import Landmarks, MienError
from tests.tracker.people import Picture, scene
from tracker.landmarks import LandmarkDetector, open_detector
from tracker.region import JUMP, PLAY, Region, region_of_landmarks
from tracker.search import HALVES, QUARTERS, FaceChoice, FoundFace, add_face, windows
from tracker.square import shrink_for, square_of


@pytest.fixture(scope="module")
def still() -> Iterator[LandmarkDetector]:
    detector = open_detector("mesh", still=True)
    yield detector
    detector.close()


@pytest.fixture
def following() -> Iterator[Callable[[str], LandmarkDetector]]:
    opened = []

    def follow(face: str = "largest") -> LandmarkDetector:
        opened.append(open_detector("mesh", face=face))
        return opened[-1]

    yield follow
    for detector in opened:
        detector.close()


def middle(landmarks: Landmarks | None) -> tuple[float, float]:
    assert landmarks is not None
    x, y = landmarks.points_px.mean(0)
    return float(x), float(y)


def iod(landmarks: Landmarks | None) -> float:
    assert landmarks is not None
    return float(np.linalg.norm(landmarks.points_px[33] - landmarks.points_px[263]))


# Small and far.


@pytest.mark.parametrize(
    ("width", "height", "part"),
    [(320, 240, 0.08), (640, 480, 0.04), (1280, 720, 0.03), (1920, 1080, 0.03), (3840, 2160, 0.03)],
)
@pytest.mark.parametrize(("x", "y"), [(0.15, 0.3), (0.5, 0.5), (0.85, 0.7)])
def test_a_small_face_is_found(width: int, height: int, part: float, x: float, y: float) -> None:
    detector = open_detector("mesh")
    found = detector.detect(scene(width, height, (x * width, y * height, part * width)))
    detector.close()
    assert iod(found) == pytest.approx(part * width, rel=0.1)
    assert middle(found) == pytest.approx((x * width, y * height), abs=part * width)


def test_a_photo_is_searched_harder(still: LandmarkDetector) -> None:
    found = still.detect(scene(1280, 720, (300, 500, 0.02 * 1280)))
    assert iod(found) == pytest.approx(0.02 * 1280, rel=0.15)


@pytest.mark.parametrize("angle", [-90, -60, -45, 45, 60, 90])
def test_a_tilted_face_is_read_as_a_straight_one(still: LandmarkDetector, angle: float) -> None:
    straight = scene(640, 480, (320, 240, 70))
    turn = cv2.getRotationMatrix2D((320, 240), angle, 1)
    expected, found = still.detect(straight), still.detect(cv2.warpAffine(straight, turn, (640, 480)).astype(np.uint8))
    assert expected is not None
    assert found is not None
    moved = expected.points_px @ turn[:, :2].T + turn[:, 2]
    assert np.linalg.norm(found.points_px - moved, axis=1).mean() < 0.02 * 70


def test_nobody_is_an_ordinary_result(still: LandmarkDetector) -> None:
    assert still.detect(scene(640, 480)) is None


@pytest.mark.parametrize("shape", [(16, 16), (64, 64), (17, 900), (900, 17)])
def test_odd_sizes_are_no_trouble(still: LandmarkDetector, shape: tuple[int, int]) -> None:
    assert still.detect(np.full((*shape, 3), 90, np.uint8)) is None


def test_a_picture_of_64_pixels(still: LandmarkDetector) -> None:
    tiny = cv2.resize(scene(400, 400, (200, 200, 120)), (64, 64), interpolation=cv2.INTER_AREA)
    found = still.detect(tiny.astype(np.uint8))
    assert iod(found) == pytest.approx(120 * 64 / 400, rel=0.15)


@pytest.mark.parametrize(
    "picture", [np.zeros((8, 8, 3), np.uint8), np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3), np.float32)]
)
def test_what_is_no_picture_is_refused(still: LandmarkDetector, picture: Picture) -> None:
    with pytest.raises(MienError, match="expected"):
        still.detect(picture)


# Several faces.

THREE = ((120.0, 200.0, 40.0), (330.0, 240.0, 45.0), (540.0, 220.0, 60.0))


@pytest.mark.parametrize(("face", "expected"), [("largest", 2), ("centre", 1), ("1", 0), ("2", 1), ("3", 2)])
def test_the_chosen_face_is_taken(following: Callable[[str], LandmarkDetector], face: str, expected: int) -> None:
    found = following(face).detect(scene(640, 480, *THREE))
    assert middle(found) == pytest.approx(THREE[expected][:2], abs=25)


def test_a_number_nobody_has_is_no_face(following: Callable[[str], LandmarkDetector]) -> None:
    assert following("4").detect(scene(640, 480, *THREE)) is None


@pytest.mark.parametrize("face", ["0", "-1", "left", "", "1.5", "100"])
def test_other_choices_are_refused(face: str) -> None:
    with pytest.raises(MienError, match="expected a face as largest, centre or a number"):
        FaceChoice.parse(face)


def test_the_same_face_is_followed_when_another_grows_larger(following: Callable[[str], LandmarkDetector]) -> None:
    detector = following("largest")
    for i in range(20):
        x = 160 + 6 * i
        found = detector.detect(scene(640, 480, (x, 200, 60), (520, 300, 40 + 2.5 * i)))
        assert middle(found) == pytest.approx((x, 200), abs=25)


def test_a_hand_before_the_face_does_not_hand_over_to_a_bystander(
    following: Callable[[str], LandmarkDetector],
) -> None:
    detector = following("largest")
    both = scene(640, 480, (170, 200, 60), (500, 250, 50))
    hidden = both.copy()
    hidden[100:310, 80:260] = 128
    assert middle(detector.detect(both))[0] < 250
    for _ in range(8):
        assert detector.detect(hidden) is None
    assert middle(detector.detect(both))[0] < 250


def test_when_the_followed_person_has_left_the_other_is_taken(following: Callable[[str], LandmarkDetector]) -> None:
    detector = following("largest")
    detector.detect(scene(640, 480, (170, 200, 60), (500, 250, 50)))
    alone = scene(640, 480, (500, 250, 50))
    waited = next(i for i in range(60) if detector.detect(alone) is not None)
    assert 5 <= waited <= 31


def test_a_cut_starts_afresh_at_once(following: Callable[[str], LandmarkDetector]) -> None:
    detector = following("largest")
    detector.detect(scene(640, 480, (170, 200, 60)))
    other = np.invert(scene(640, 480))
    other[100:400, 380:620] = scene(640, 480, (500, 250, 60))[100:400, 380:620]
    assert middle(detector.detect(other)) == pytest.approx((500, 250), abs=25)


def test_a_face_is_found_again_in_its_first_frame_back(following: Callable[[str], LandmarkDetector]) -> None:
    detector = following("largest")
    seen = scene(640, 480, (320, 240, 60))
    for picture, there in ((seen, True), (scene(640, 480), False), (scene(640, 480), False), (seen, True)):
        assert (detector.detect(picture) is not None) is there


def test_a_fast_face_is_not_lost(following: Callable[[str], LandmarkDetector]) -> None:
    """30 % of the distance between the eyes a frame."""
    detector = following("largest")
    for i in range(20):
        x = 120 + 18 * i
        assert middle(detector.detect(scene(640, 480, (x, 240, 60)))) == pytest.approx((x, 240), abs=25)


def test_a_change_of_size_is_no_trouble(following: Callable[[str], LandmarkDetector]) -> None:
    detector = following("largest")
    for width, height in ((640, 480), (480, 360), (1280, 720), (640, 480)):
        found = detector.detect(scene(width, height, (width / 2, height / 2, width / 10)))
        assert found is not None
        assert found.size_px == (width, height)
        assert middle(found) == pytest.approx((width / 2, height / 2), abs=width / 20)


def test_the_same_pictures_give_the_same_numbers() -> None:
    pictures = [scene(640, 480, (200 + 3 * i, 240, 50)) for i in range(6)]
    runs = []
    for _ in range(2):
        detector = open_detector("mesh")
        runs.append([found.points_px for picture in pictures if (found := detector.detect(picture)) is not None])
        detector.close()
    assert len(runs[0]) == 6
    assert np.array_equal(runs[0], runs[1])


# The other detector.


def test_the_task_detector_sees_the_same_face(shared_dir: Path, still: LandmarkDetector) -> None:
    model = shared_dir / "models" / "face_landmarker.task"
    if not model.is_file():
        pytest.skip("needs face_landmarker.task in shared/models")
    picture = scene(640, 480, (200, 240, 70))
    task = open_detector("task", still=True, model=model)
    found, expected = task.detect(picture), still.detect(picture)
    scores = task.scores
    task.close()
    assert found is not None
    assert expected is not None
    assert np.linalg.norm(found.points_px - expected.points_px, axis=1).mean() < 0.05 * 70
    assert scores is not None
    assert scores.shape == (52,)
    assert 0 <= scores.min() <= scores.max() <= 1
    assert scores.max() > 0.3, "she smiles"


def test_the_task_detector_without_its_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MienError, match="mien heads get face-landmarker"):
        open_detector("task", model=tmp_path / "face_landmarker.task")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not really", b"x" * 1000])
def test_a_broken_task_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "face_landmarker.task"
    file.write_bytes(content)
    with pytest.raises(MienError, match=r"expected MediaPipe's face_landmarker\.task"):
        open_detector("task", model=file)


def test_an_unknown_detector_is_refused() -> None:
    with pytest.raises(MienError, match="expected a detector out of mesh, task, got 'dlib'"):
        open_detector("dlib")


# Regions, squares and windows.


def test_a_region_follows_beyond_its_play_only() -> None:
    region = Region(100, 100, 50, 0.1)
    near = Region(100 + 0.9 * PLAY * 50, 100, 50, 0.11)
    assert region.dragged_to(near) == region
    far = Region(100 + 0.1 * 50, 100, 50, 0.1)
    assert region.dragged_to(far).x == pytest.approx(105 - PLAY * 50)
    jump = Region(100 + 1.1 * JUMP * 50, 100, 50, 0.1)
    assert region.dragged_to(jump) == jump


def test_a_region_turns_with_the_eyes() -> None:
    points = np.zeros((478, 2), np.float32)
    points[33], points[263] = (10, 10), (30, 30)
    region = region_of_landmarks(points)
    assert region.angle == pytest.approx(np.pi / 4)
    assert region.side == pytest.approx(45)


@pytest.mark.parametrize("shrink", [1, 2, 4])
@pytest.mark.parametrize("angle", [0.0, 0.3, -2.0])
def test_the_square_shows_the_region(shrink: int, angle: float) -> None:
    across, down = np.meshgrid(np.arange(250), np.arange(200))
    image = np.stack((across, down, 0 * down), 2).astype(np.uint8)  # every pixel says where it stands
    region, side = Region(120, 95, 90, angle), 64
    square = square_of(image, region, side, shrink)
    assert square is not None
    v, u = np.divmod(np.arange(side * side), side)
    where = region.to_picture(np.stack((u / side, v / side, 0 * u), 1).astype(np.float32))
    np.testing.assert_allclose(square.reshape(-1, 3)[:, :2], where[:, :2], atol=1.2)


def test_beyond_the_picture_its_border_goes_on() -> None:
    image = np.full((100, 100, 3), 90, np.uint8)
    square = square_of(image, Region(95, 50, 60, 0.3), 192, 1)
    assert square is not None
    assert np.all(square == 90)


def test_a_region_outside_the_picture_has_no_square() -> None:
    assert square_of(np.zeros((100, 100, 3), np.uint8), Region(300, 50, 60, 0), 192, 1) is None


@pytest.mark.parametrize(("side", "shrink"), [(20, 1), (192, 1), (280, 1), (300, 2), (560, 2), (600, 4), (4000, 16)])
def test_a_region_is_shrunk_to_about_the_models_own_square(side: float, shrink: int) -> None:
    assert shrink_for(Region(0, 0, side, 0), 192, before=1000) == shrink


def test_the_shrinking_factor_does_not_flicker() -> None:
    before = 1
    changes = 0
    for side in (285, 291, 286, 290, 288, 300, 284):  # around one and a half times the model's own
        now = shrink_for(Region(0, 0, side, 0), 192, before)
        changes += now != before
        before = now
    assert changes == 0
    assert shrink_for(Region(0, 0, 340, 0), 192, before) == 2


@pytest.mark.parametrize(("width", "height"), [(640, 480), (1920, 1080), (300, 2000), (401, 399)])
def test_windows_cover_the_picture_twice(width: int, height: int) -> None:
    for parts in (HALVES, QUARTERS):
        found = list(windows(width, height, parts))
        covered = np.zeros((height, width), int)
        for x, y, w, h in found:
            assert 0 <= x <= x + w <= width
            assert 0 <= y <= y + h <= height
            covered[y : y + h, x : x + w] += 1
        assert covered.min() >= 1
        assert len(found) <= 64


def test_two_views_of_one_face_are_one() -> None:
    def face(x: float, score: float) -> FoundFace:
        low = np.array((x, 0), np.float32)
        return FoundFace(low, low + 20, low, low, score)

    faces: list[FoundFace] = []
    for found in (face(0, 0.6), face(4, 0.9), face(30, 0.7)):
        add_face(faces, found)
    assert [f.score for f in faces] == [0.9, 0.7]
