"""`params` as binary records, for subprotocol `mien.v1.bin`: a fixed little-endian header, then float32 values.

    offset  type     field                              offset  type     field
    0       uint8    kind, 1 = params                   16      float64  time_s
    1       uint8    layout, 1                          24      uint32   E, length of expression
    2       uint8    state: 0 SEARCHING, 1 ENROLLING,   28      float32  error_iod
                     2 TRACKING, 3 LOST                 32      float32  times_ms.queue
    3       uint8    1 with a face, 0 without           36      float32  times_ms.detect
    4       uint32   index                              40      float32  times_ms.fit
    8       uint32   rtp_time                           44      4 bytes  zero
    12      uint16   width of the frame
    14      uint16   height of the frame

With a face, from offset 48 on: rotation [4], translation [3], focal_px, jaw [3], eyes [2, 3], neck [3],
blendshapes [52], expression [E]. Without one the record ends after the header, and error_iod is NaN.
"""

import struct

import numpy as np

from stream.protocol import CameraPose, Params, StateName, TimesMs

STATES: tuple[StateName, ...] = ("SEARCHING", "ENROLLING", "TRACKING", "LOST")

_HEADER = struct.Struct("<BBBBIIHHdIffff4x")
_KIND, _LAYOUT = 1, 1
_SPLITS = np.cumsum([4, 3, 1, 3, 6, 3, 52])


def pack_params(params: Params, size_px: tuple[int, int], expressions: int) -> bytes:
    """One record; `size_px` is told apart because `params` has it only with a face."""
    has_face = params.camera is not None
    header = _HEADER.pack(
        _KIND,
        _LAYOUT,
        STATES.index(params.state),
        has_face,
        params.index & 0xFFFFFFFF,
        params.rtp_time,
        *size_px,
        params.time_s,
        expressions,
        float("nan") if params.error_iod is None else params.error_iod,
        params.times_ms.queue,
        params.times_ms.detect,
        params.times_ms.fit,
    )
    return header + _body(params) if has_face else header


def _body(params: Params) -> bytes:
    camera = params.camera
    assert camera is not None
    assert params.eyes is not None
    parts = [
        camera.rotation,
        camera.translation,
        [camera.focal_px],
        params.jaw,
        [*params.eyes[0], *params.eyes[1]],
        params.neck,
        params.blendshapes,
        params.expression,
    ]
    packed: bytes = np.concatenate([np.asarray(part, "<f4") for part in parts]).tobytes()
    return packed


def unpack_params(record: bytes) -> Params:
    """The inverse; raises ValueError for what is no such record."""
    if len(record) < _HEADER.size or (len(record) - _HEADER.size) % 4:
        raise ValueError(f"expected a record of {_HEADER.size} bytes and a multiple of 4 behind, got {len(record)}")
    kind, layout, state, has_face, index, rtp_time, width, height, time_s, expressions, error, queue, detect, fit = (
        _HEADER.unpack_from(record)
    )
    if (kind, layout) != (_KIND, _LAYOUT) or state >= len(STATES):
        raise ValueError(f"expected params of layout {_LAYOUT}, got kind {kind}, layout {layout}, state {state}")
    values = np.frombuffer(record, "<f4", offset=_HEADER.size)
    if has_face and len(values) != _SPLITS[-1] + expressions:
        raise ValueError(f"expected {_SPLITS[-1] + expressions} values behind the header, got {len(values)}")
    parts = [part.tolist() for part in np.split(values, _SPLITS)] if has_face else [None] * 8
    rotation, translation, focal, jaw, eyes, neck, blendshapes, expression = parts
    return Params(
        index=index,
        rtp_time=rtp_time,
        time_s=time_s,
        state=STATES[state],
        expression=expression,
        jaw=jaw,
        eyes=[eyes[:3], eyes[3:]] if eyes else None,
        neck=neck,
        camera=CameraPose(rotation, translation, focal[0], (width, height))
        if rotation and translation and focal
        else None,
        blendshapes=blendshapes,
        error_iod=error if has_face else None,
        times_ms=TimesMs(queue, detect, fit),
    )
