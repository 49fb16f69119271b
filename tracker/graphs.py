"""The landmark models as MediaPipe runs them: its graphs, in its own words. `landmarks.py` loads them."""

MESH_SIDE, TASK_SIDE = 192, 256  # pixels of the square that each model sees

# With a thread of its own a graph is slower for one caller, and this one runs where it is called.
_HERE = 'executor { type: "ApplicationThreadExecutor" }\n'

# MediaPipe's own as far as the model, whose outputs come out as they are: whole mesh, lips, left eye, right eye, left
# iris, right iris, presence. Embeddings they are in name only: no other message holds numbers in blocks of bytes.
MESH_GRAPH = (
    _HERE
    + """
input_stream: "square"
output_stream: "numbers"
node {
  calculator: "TensorConverterCalculator" input_stream: "IMAGE:square" output_stream: "TENSORS:levels"
  options { [mediapipe.TensorConverterCalculatorOptions.ext] { zero_center: false } }
}
node { calculator: "TfLiteCustomOpResolverCalculator" output_side_packet: "OP_RESOLVER:operators" }
node {
  calculator: "InferenceCalculator"
  input_side_packet: "OP_RESOLVER:operators" input_stream: "TENSORS:levels" output_stream: "TENSORS:outputs"
  options { [mediapipe.InferenceCalculatorOptions.ext] {
    model_path: "mediapipe/modules/face_landmark/face_landmark_with_attention.tflite" delegate { xnnpack {} }
  } }
}
node {
  calculator: "TensorsToEmbeddingsCalculator" input_stream: "TENSORS:outputs" output_stream: "EMBEDDINGS:numbers"
  options { [mediapipe.TensorsToEmbeddingsCalculatorOptions.ext] { embedder_options {} } }
}
"""
)

TASK_GRAPH = (
    _HERE
    + """
input_stream: "square"
input_stream: "whole"
output_stream: "landmarks"
output_stream: "presence"
output_stream: "scores"
node { calculator: "ToImageCalculator" input_stream: "IMAGE_CPU:square" output_stream: "IMAGE:picture" }
node { calculator: "ImagePropertiesCalculator" input_stream: "IMAGE_CPU:square" output_stream: "SIZE:size" }
node {
  calculator: "mediapipe.tasks.vision.face_landmarker.SingleFaceLandmarksDetectorGraph"
  input_stream: "IMAGE:picture" input_stream: "NORM_RECT:whole"
  output_stream: "NORM_LANDMARKS:landmarks" output_stream: "PRESENCE_SCORE:presence"
}
node {
  calculator: "mediapipe.tasks.vision.face_landmarker.FaceBlendshapesGraph"
  input_stream: "LANDMARKS:landmarks" input_stream: "IMAGE_SIZE:size" output_stream: "BLENDSHAPES:scores"
}
"""
)
