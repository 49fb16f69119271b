"""Decoded video to RGB and back, by OpenCV's SIMD conversions: both sides take video as BT.601 in limited range."""

from typing import cast

import cv2
import numpy as np
from av import VideoFrame
from numpy.typing import NDArray


def rgb_from_video(frame: VideoFrame) -> NDArray[np.uint8]:
    """[H, W, 3] RGB."""
    if frame.format.name != "yuv420p" or frame.width % 2 or frame.height % 2:
        return cast(NDArray[np.uint8], frame.to_ndarray(format="rgb24"))
    planes = frame.to_ndarray()  # [H * 3 / 2, W]
    return cast(NDArray[np.uint8], cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420))


def video_from_rgb(image: NDArray[np.uint8], timing: VideoFrame) -> VideoFrame:
    """A frame for the encoder with the time of `timing`."""
    height, width = image.shape[:2]
    if width % 2 or height % 2:
        frame = VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    else:
        planes = cast(NDArray[np.uint8], cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420))
        frame = VideoFrame.from_numpy_buffer(planes, format="yuv420p")  # lent, not copied: nobody else has it
    frame.pts, frame.time_base = timing.pts, timing.time_base
    return frame
