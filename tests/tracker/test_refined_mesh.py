"""The mesh model's numbers put together as MediaPipe's own graph does it."""

from typing import Any

import numpy as np
import pytest

from models.types import LANDMARK_COUNT
from models.types import SKIN_COUNT as SKIN
from tests.tracker.people import Picture, scene
from tracker.landmarks import MeshNet, SharedNet, open_detector
from tracker.lending import Lending
from tracker.refined_mesh import Refinement
from tracker.region import Region, region_of_landmarks
from tracker.square import square_of


def test_agrees_with_mediapipes_own_graph() -> None:
    picture = scene(640, 480, (320, 240, 90))
    detector, net = open_detector(still=True), MeshNet()
    face = detector.detect(picture)
    assert face is not None
    region = region_of_landmarks(face.points_px)
    square = square_of(picture, region, MeshNet.net_side, 1)
    assert square is not None
    reading = net.read(square, region)
    detector.close()
    net.close()
    assert reading is not None
    wanted = mediapipes_own(square, region)
    assert wanted.shape == (LANDMARK_COUNT, 3)
    np.testing.assert_allclose(reading.points_px, wanted[:, :2], atol=1e-3)
    np.testing.assert_allclose(reading.depth_px, wanted[:, 2], atol=1e-3)


def mediapipes_own(square: Picture, region: Region) -> Any:
    from mediapipe.framework.formats.rect_pb2 import NormalizedRect
    from mediapipe.python import packet_creator, packet_getter
    from mediapipe.python._framework_bindings.calculator_graph import CalculatorGraph
    from mediapipe.python._framework_bindings.image_frame import ImageFormat

    graph = CalculatorGraph(
        graph_config="""
        input_stream: "image" input_stream: "roi" input_side_packet: "with_attention" output_stream: "landmarks"
        node {
          calculator: "FaceLandmarkCpu" input_stream: "IMAGE:image" input_stream: "ROI:roi"
          input_side_packet: "WITH_ATTENTION:with_attention" output_stream: "LANDMARKS:landmarks"
        }"""
    )
    found: dict[str, Any] = {}
    graph.observe_output_stream("landmarks", found.__setitem__)
    graph.start_run({"with_attention": packet_creator.create_bool(True)})
    image = packet_creator.create_image_frame(square, image_format=ImageFormat.SRGB)
    graph.add_packet_to_input_stream(stream="image", packet=image.at(1))
    roi = packet_creator.create_proto(NormalizedRect(x_center=0.5, y_center=0.5, width=1, height=1))
    graph.add_packet_to_input_stream(stream="roi", packet=roi.at(1))
    graph.wait_until_idle()
    landmarks = packet_getter.get_proto(found["landmarks"]).landmark
    graph.close()
    return region.to_picture(np.array([(p.x, p.y, p.z) for p in landmarks], np.float32))


def test_every_point_comes_from_its_closest_look() -> None:
    irises = range(SKIN, LANDMARK_COUNT)
    refinement = Refinement.of([(range(SKIN), ()), ((7, 3), ()), (irises, (3, 4))])
    numbers = np.zeros(3 * SKIN + 4 + 2 * len(irises), np.float32)
    numbers[3 * SKIN : 3 * SKIN + 4] = 10, 20, 30, 40  # of 7, then of 3
    numbers[3 * 3 + 2], numbers[3 * 4 + 2], numbers[3 * 7 + 2] = 5, 7, 9  # depths
    points, depth = refinement.points(numbers, Region(100, 200, 64, 0), 32)  # two pixels of the picture for one
    np.testing.assert_allclose(points[[7, 3]], [(100 + 2 * (10 - 16), 200 + 2 * (20 - 16)), (128, 248)])
    np.testing.assert_allclose(depth[[3, 7]], (10, 18))
    np.testing.assert_allclose(depth[SKIN:], 2 * (5 + 7) / 2)


@pytest.mark.parametrize("region", [Region(20, 20, 30, 0), Region(1000, 0, 100, 0)])
def test_where_no_face_is_there_is_no_reading(region: Region) -> None:
    net = SharedNet(Lending(MeshNet, most=1))
    assert net.read(scene(640, 480, (320, 240, 90)), region) is None
    net.close()
