"""A picture in, the detector's 478 landmarks out, or None where it sees no face.

The only file that knows MediaPipe, which is imported on first use: `import tracker` stays cheap, and the solver
runs where MediaPipe is not installed. `mesh` is the face mesh with iris refinement inside the mediapipe wheel; `task`
the newer model in face_landmarker.task, with 52 expression scores. Both are run by a small graph of ours on a region
that we choose: `follow.py` says which. (MediaPipe's own ways of following know one face, near and alone.)
"""

import functools
import math
import os
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.arkit_names import ARKIT_NAMES
from models.types import LANDMARK_COUNT, Landmarks, MienError
from tracker.follow import FollowingDetector, Reading
from tracker.graphs import MESH_GRAPH, MESH_SIDE, TASK_GRAPH, TASK_SIDE
from tracker.lending import Lending, cores
from tracker.quiet import start_up_notes_hidden
from tracker.refined_mesh import Refinement
from tracker.region import Region
from tracker.search import FaceChoice, FaceSearch, FoundFace
from tracker.square import shrink_for, square_of
from tracker.still import StillDetector
from tracker.task_file import TASK_MODELS, find_task_file, unpack_task

DETECTORS = ("mesh", "task")
PRESENCE = 0.5  # MediaPipe's own threshold


class LandmarkDetector(Protocol):
    """One per video: it follows a face from picture to picture."""

    name: str  # goes into every output, because detectors differ in what they report
    scores: NDArray[np.float32] | None  # [52] of the last picture, in the order of models.arkit_names; `task` only

    def detect(self, image: NDArray[np.uint8]) -> Landmarks | None:
        """[H, W, 3] RGB to landmarks; None is an ordinary result."""
        ...

    def close(self) -> None: ...


def open_detector(
    name: str = "mesh",
    *,
    still: bool = False,
    upright: bool = False,
    face: str = "largest",
    model: Path | None = None,
) -> LandmarkDetector:
    """`still` looks for a face afresh in every picture, turned by quarters too unless they are all `upright`; otherwise
    the face is followed through a video.

    `face`: largest, centre, or a number counted from the left of the picture. `model`: where `task` has its file.
    """
    if name not in DETECTORS:
        raise MienError(f"expected a detector out of {', '.join(DETECTORS)}, got '{name}'")
    choice = FaceChoice.parse(face)
    net = SharedNet(_few_nets(name, None if name == "mesh" else model or find_task_file()))
    search = FaceSearch(SharedFinder(), choice)
    if still and not upright:
        return StillDetector(name, net, search)
    return FollowingDetector(name, net, search, still=still)


# The landmark models: a region of a picture in, landmarks out.


class SharedNet:
    """One for each tracker, of which all use the same few: no more can run at a time than there are cores, each fills
    22 MB, and none remembers a picture."""

    def __init__(self, few: "Lending[_RegionNet]") -> None:
        self._few = few
        self._few.join()  # which opens one now, not in a live frame
        with self._few.one() as net:
            self._side = net.net_side
        self._shrink = 1

    def read(self, image: NDArray[np.uint8], region: Region) -> Reading | None:
        """Landmarks of the face in the region, if there is one."""
        self._shrink = shrink_for(region, self._side, self._shrink)
        square = square_of(image, region, self._side, self._shrink)
        if square is None:
            return None
        with self._few.one() as net:
            return net.read(square, region)

    def close(self) -> None:
        self._few.leave()


@functools.cache
def _few_nets(name: str, file: Path | None) -> "Lending[_RegionNet]":
    def open_one() -> _RegionNet:
        with start_up_notes_hidden():
            return TaskNet(file) if file is not None else MeshNet()

    return Lending(open_one, most=cores())


class _RegionNet:
    """A MediaPipe graph that reads landmarks in the square of pixels that a region of a picture has become."""

    net_side: int  # pixels of the square that the model sees

    def __init__(self, graph: Any, outputs: tuple[str, ...]) -> None:
        from mediapipe.python._framework_bindings.calculator_graph import CalculatorGraph
        from mediapipe.python._framework_bindings.resource_util import set_resource_dir

        set_resource_dir(str(Path(_import_mediapipe().__file__).parents[1]))
        self._graph = CalculatorGraph(graph_config=graph)
        self._found: dict[str, Any] = {}
        for output in outputs:
            self._graph.observe_output_stream(output, self._found.__setitem__)
        self._graph.start_run()
        self._pictures = 0
        self._saw_face = False
        # The model loads on the first picture: spend that here, not on a live frame.
        self.read(np.zeros((self.net_side, self.net_side, 3), np.uint8), Region(32, 32, 64, 0))

    def read(self, square: NDArray[np.uint8], region: Region) -> Reading | None:
        """[net_side, net_side, 3] of that region -> landmarks of the face in it, if there is one."""
        # The first face brings one more note.
        with nullcontext() if self._saw_face else start_up_notes_hidden():
            self._process(square)
        reading = self._reading(region)
        if reading is None or not (np.isfinite(reading.points_px).all() and np.isfinite(reading.depth_px).all()):
            return None
        self._saw_face = True
        return reading

    def _process(self, square: NDArray[np.uint8]) -> None:
        """A square through the graph; what comes out lies in `_found`."""
        self._found.clear()
        self._pictures += 1
        for name, packet in self._packets(square).items():
            self._graph.add_packet_to_input_stream(stream=name, packet=packet.at(self._pictures))
        self._graph.wait_until_idle()

    def _packets(self, square: NDArray[np.uint8]) -> dict[str, Any]:
        """What the graph takes for each picture."""
        from mediapipe.python import packet_creator
        from mediapipe.python._framework_bindings.image_frame import ImageFormat

        return {"square": packet_creator.create_image_frame(square, image_format=ImageFormat.SRGB)}

    def _reading(self, region: Region) -> Reading | None:
        """What lies in `_found`, where it is a face."""
        raise NotImplementedError

    def close(self) -> None:
        self._graph.close()


class MeshNet(_RegionNet):
    """MediaPipe's face mesh with iris refinement, from the wheel."""

    net_side = MESH_SIDE

    def __init__(self) -> None:
        self._refinement = _mesh_refinement()
        self._spans: list[slice] = []  # where a message holds the model's numbers
        super().__init__(_mesh_graph(), ("numbers",))

    def _reading(self, region: Region) -> Reading | None:
        if "numbers" not in self._found:
            return None
        numbers = self._numbers()
        presence = (1 + math.tanh(float(numbers[-1]) / 2)) / 2  # the logistic function, which overflows written plainly
        if not presence > PRESENCE:
            return None
        points_px, depth_px = self._refinement.points(numbers, region, self.net_side)
        return Reading(points_px, depth_px, presence)

    def _numbers(self) -> NDArray[np.float32]:
        """All that the model put out, one after the other.

        Read from the message's bytes: naming 1,869 numbers one by one in Python takes a twentieth of the detection.
        """
        from mediapipe.python import packet_getter

        message: bytes = packet_getter._packet_getter._get_serialized_proto(self._found["numbers"])
        if not self._spans:  # they are the same for every picture
            self._spans = _number_spans(message)
        return np.frombuffer(b"".join(message[span] for span in self._spans), np.float32)


class TaskNet(_RegionNet):
    """The models in face_landmarker.task, without the smoothing that MediaPipe puts behind them: it lags."""

    net_side = TASK_SIDE

    def __init__(self, file: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="mien-") as folder:  # the models are open once the graph runs
            graph = _task_graph(unpack_task(file, Path(folder)))
            super().__init__(graph, ("landmarks", "presence", "scores"))

    def _packets(self, square: NDArray[np.uint8]) -> dict[str, Any]:
        from mediapipe.framework.formats.rect_pb2 import NormalizedRect
        from mediapipe.python import packet_creator

        whole = NormalizedRect(x_center=0.5, y_center=0.5, width=1, height=1)
        return {**super()._packets(square), "whole": packet_creator.create_proto(whole)}

    def _reading(self, region: Region) -> Reading | None:
        from mediapipe.python import packet_getter

        if not {"landmarks", "presence"} <= self._found.keys():
            return None
        found = packet_getter.get_proto(self._found["landmarks"]).landmark
        if len(found) != LANDMARK_COUNT:
            return None
        points = region.to_picture(np.array([(p.x, p.y, p.z) for p in found], np.float32))
        presence = float(packet_getter.get_float(self._found["presence"]))
        return Reading(points[:, :2].copy(), points[:, 2].copy(), presence, self._scores())

    def _scores(self) -> NDArray[np.float32] | None:
        from mediapipe.python import packet_getter

        if "scores" not in self._found:
            return None
        shapes = packet_getter.get_proto(self._found["scores"]).classification
        by_name = {shape.label: shape.score for shape in shapes}
        return np.array([by_name.get(name, 0.0) for name in ARKIT_NAMES], np.float32)


# Looking for faces.


class FaceFinder:
    """The wheel's face detectors: full-range for rooms, short-range for what it misses there."""

    def __init__(self, confidence: float = 0.5) -> None:
        detection = _import_mediapipe().solutions.face_detection.FaceDetection
        self._far, self._near = (detection(confidence, model_selection=model) for model in (1, 0))
        for model in (self._far, self._near):
            model.process(np.zeros((64, 64, 3), np.uint8))

    def find(self, image: NDArray[np.uint8]) -> list[FoundFace]:
        """[H, W, 3] RGB -> its faces, in no order, seen at 192 pixels."""
        return _found_faces(self._far, image)

    def find_near(self, image: NDArray[np.uint8]) -> list[FoundFace]:
        """The same for a face that fills the picture, seen at 128 pixels."""
        return _found_faces(self._near, image)

    def close(self) -> None:
        self._far.close()
        self._near.close()


def _open_finder() -> FaceFinder:
    with start_up_notes_hidden():
        return FaceFinder()


class SharedFinder:
    """One for each tracker, of which all use the same few: a look takes milliseconds, and a face once found is followed
    without another, but the models of a finder fill 20 MB."""

    _few = Lending(_open_finder, most=cores())

    def __init__(self) -> None:
        with self._few.one():  # opened now, not in a live frame
            pass

    def find(self, image: NDArray[np.uint8]) -> list[FoundFace]:
        with self._few.one() as finder:
            return finder.find(image)

    def find_near(self, image: NDArray[np.uint8]) -> list[FoundFace]:
        with self._few.one() as finder:
            return finder.find_near(image)

    def close(self) -> None:
        """The others need it still."""


def _found_faces(model: Any, image: NDArray[np.uint8]) -> list[FoundFace]:
    scale = np.array((image.shape[1], image.shape[0]), np.float32)
    return [_found_face(detection, scale) for detection in model.process(image).detections or ()]


def _found_face(detection: Any, scale: NDArray[np.float32]) -> FoundFace:
    where = detection.location_data
    box = where.relative_bounding_box
    low = np.array((box.xmin, box.ymin), np.float32) * scale
    size = np.array((box.width, box.height), np.float32) * scale
    right, left = (np.array((p.x, p.y), np.float32) * scale for p in where.relative_keypoints[:2])
    return FoundFace(low, low + size, right, left, float(detection.score[0]))


# The graphs.


def _mesh_graph() -> Any:
    _import_mediapipe()
    from google.protobuf import text_format

    # Each brings the options of one of the graph's nodes.
    from mediapipe.calculators.tensor import inference_calculator_pb2, tensor_converter_calculator_pb2  # noqa: F401
    from mediapipe.framework.calculator_pb2 import CalculatorGraphConfig
    from mediapipe.tasks.cc.components.calculators import tensors_to_embeddings_calculator_pb2  # noqa: F401

    return text_format.Parse(MESH_GRAPH, CalculatorGraphConfig())


def _number_spans(message: bytes) -> list[slice]:
    """Where a message of embeddings holds their numbers."""
    from mediapipe.tasks.cc.components.containers.proto.embeddings_pb2 import EmbeddingResult

    spans, at = [], 0
    for embedding in EmbeddingResult.FromString(message).embeddings:
        block = np.array(embedding.float_embedding.values, np.float32).tobytes()
        start = message.index(block, at)
        at = start + len(block)
        spans.append(slice(start, at))
    return spans


def _mesh_refinement() -> Refinement:
    """As it stands in MediaPipe's own graph of the face mesh."""
    _import_mediapipe()
    from mediapipe.calculators.util.landmarks_refinement_calculator_pb2 import LandmarksRefinementCalculatorOptions
    from mediapipe.framework.calculator_pb2 import CalculatorGraphConfig
    from mediapipe.python._framework_bindings.validated_graph_config import ValidatedGraphConfig

    validated = ValidatedGraphConfig()
    validated.initialize(
        graph_config="""
        input_stream: "image" input_stream: "roi"
        node {
          calculator: "FaceLandmarkCpu" input_stream: "IMAGE:image" input_stream: "ROI:roi"
          output_stream: "LANDMARKS:landmarks"
        }"""
    )
    config = CalculatorGraphConfig()
    config.ParseFromString(validated.binary_config)
    (node,) = (node for node in config.node if node.calculator == "LandmarksRefinementCalculator")
    parts = node.options.Extensions[LandmarksRefinementCalculatorOptions.ext].refinement
    return Refinement.of(
        [(part.indexes_mapping, part.z_refinement.assign_average.indexes_for_average) for part in parts]
    )


def _task_graph(folder: Path) -> Any:
    """The task's graph with its two models out of a folder."""
    _import_mediapipe()
    from google.protobuf import text_format
    from mediapipe.framework.calculator_pb2 import CalculatorGraphConfig
    from mediapipe.tasks.cc.vision.face_landmarker.proto import (
        face_blendshapes_graph_options_pb2,
        face_landmarks_detector_graph_options_pb2,
    )

    config = text_format.Parse(TASK_GRAPH, CalculatorGraphConfig())
    detector = config.node[2].options.Extensions[
        face_landmarks_detector_graph_options_pb2.FaceLandmarksDetectorGraphOptions.ext
    ]
    detector.base_options.model_asset.file_name = str(folder / TASK_MODELS[0])
    detector.min_detection_confidence = PRESENCE
    blendshapes = config.node[3].options.Extensions[face_blendshapes_graph_options_pb2.FaceBlendshapesGraphOptions.ext]
    blendshapes.base_options.model_asset.file_name = str(folder / TASK_MODELS[1])
    return config


def _import_mediapipe() -> Any:
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import mediapipe
    except ImportError as error:
        raise MienError("finding landmarks needs the package mediapipe 0.10.21; run `make` to set up") from error
    return mediapipe
