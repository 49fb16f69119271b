"""The overlay's head, drawn by torch and a rasteriser: for GPUs; the CPU has `render/compiled_painter.py`.

A frame goes up, with some hundred numbers that say how the head moves; it is posed, lit, rasterised and blended there
and comes down once. Shapes never depend on what is seen, so that nothing waits for the device on the way: every pixel
of the window is worked on, covered or not.
"""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.camera import clip_from_camera
from models.head import Head
from models.skinning import vertex_normals
from models.types import Camera
from render.diff import Hits, interpolate, sample
from render.drawing.posing import find_motion
from render.drawing.texels import halvings, halvings_for
from render.overlay_surface import Surface
from render.painter import Floats, Picture, Posed, Rest, Style, Window, at_rest, texels_a_px
from render.rasterizer import chosen, open_rasterizer
from render.texture import Texture
from render.torch_light import Lamps

JOINTS = 5


class TorchPainter:
    """A `render.painter.Painter`."""

    def __init__(self, head: Head, surface: Surface, device: str, backend: str | None = None) -> None:
        self._head, self._surface, self._device = head.to("cpu"), surface, torch.device(device)
        self._rasterize = open_rasterizer(chosen(self._device, backend))
        self._lamps, self._lift = Lamps(self._device), Lift(self._device)
        self._columns = self._there(_columns(surface))  # [K, N * 3]
        self._carried = self._there(surface.carried)
        self._triangles = self._there(surface.triangles).long()
        self._paint, self._line_paint, self._skin_paint = (
            self._there(paint) for paint in (surface.paint, surface.line_paint, surface.skin_paint)
        )
        self._corners = self._there(surface.corners)
        self._shape: object = None  # the code that is prepared
        self._rest: Rest | None = None
        self._template = self._there(np.zeros((len(surface.vertices), 3), np.float32))
        self._worn: Texture | None = None
        self._sizes: list[Tensor] = []  # of it, [H, W, 3]
        self._light = self._there(np.zeros((9, 3), np.float32))

    @torch.inference_mode()
    def draw(self, canvas: Picture, posed: Posed, window: Window, style: Style, texture: Texture | None = None) -> None:
        left, top, right, bottom = window
        if left >= right or top >= bottom:
            return
        part = canvas[top:bottom, left:right]
        size = part.shape[0], part.shape[1]
        moved = self._lift.up("motion", self._motion(posed, window))
        behind = self._lift.up("picture", part).reshape(-1, 3).float()
        points, clip = self._posed(moved)
        normals = vertex_normals(points, self._triangles)
        if texture is None:
            paint = self._line_paint if style.lines else self._paint
            lit = self._lamps.light_clay(points, normals, paint, style)
        else:
            self._wear(texture)
            lit = self._lamps.light_skin(points, normals, self._skin_paint, self._light)
        corners = (clip[:, :2] / clip[:, 3:])[self._triangles]  # [M, 3, 2] from -1 to 1, y up
        hits, covered = self._hits(clip, corners, size)
        at = interpolate(lit, self._triangles, hits)
        colour, opacity = at[:, :3], at[:, 3]
        if texture is not None:
            colour = self._skin_at(hits, posed.camera) * colour + at[:, 4:]
        elif style.lines:
            opacity = opacity + (1 - opacity) * at[:, 4] * _lines_at(hits, corners, style.line_px)
        shown = behind + (opacity * _softened(covered, size))[:, None] * (colour - behind) + 0.5
        # A number that is none fails the test and leaves the picture as it was.
        drawn = torch.where(covered[:, None] & (shown >= 0), shown.clamp_max(255), behind).to(torch.uint8)
        part[...] = self._lift.down(drawn.reshape(*size, 3))

    def _motion(self, posed: Posed, window: Window) -> Floats:
        """[K + 60 + 16]: weights of the columns, transforms of the joints into the camera frame, that frame to clip."""
        if self._rest is None or self._shape is not posed.identity.shape:
            self._shape, self._rest = posed.identity.shape, at_rest(self._head, self._surface, posed.identity)
            self._template = self._there(self._rest.template)
        weights, transforms = np.zeros(len(self._columns), np.float32), np.zeros((JOINTS, 3, 4), np.float32)
        find_motion(self._rest.joints, self._rest.joint_motion, posed.params, posed.camera, weights, transforms)
        left, top, right, bottom = window
        focal, x, y = posed.camera[12:].tolist()
        to_clip = _to_clip(focal, x - left, y - top, right - left, bottom - top)
        return np.concatenate((weights, transforms.ravel(), to_clip.ravel()))

    def _posed(self, moved: Tensor) -> tuple[Tensor, Tensor]:
        """Vertices in the camera frame [N, 3] and in clip space [N, 4]."""
        weights, transforms, to_clip = torch.split(moved, [len(self._columns), JOINTS * 12, 16])
        resting = self._template + (weights @ self._columns).reshape(-1, 3)
        carried = (self._carried @ transforms.reshape(JOINTS, 12)).reshape(-1, 3, 4)
        points = (carried[..., :3] * resting[:, None]).sum(-1) + carried[..., 3]
        matrix = to_clip.reshape(4, 4)
        return points, torch.addmm(matrix[:, 3], points, matrix[:, :3].T)

    def _hits(self, clip: Tensor, corners: Tensor, size: tuple[int, int]) -> tuple[Hits, Tensor]:
        """All P pixels, whatever they see, and which of them are covered [P]."""
        along, aside = (corners[:, 1:] - corners[:, :1]).unbind(1)
        front = along[:, 0] * aside[:, 1] - along[:, 1] * aside[:, 0] > 0
        # Those seen from behind shrink to a point: they keep their number and draw nothing.
        drawn = torch.where(front[:, None], self._triangles, self._triangles[:, :1])
        seen = self._rasterize(clip, drawn, size).reshape(-1, 4)
        found = seen[:, 3].long() - 1
        weights = torch.cat((seen[:, :2], 1 - seen[:, :1] - seen[:, 1:2]), 1)
        pixels = torch.arange(len(found), device=self._device)
        return Hits(size, pixels, found.clamp_min(0), weights, seen[:, 2]), found >= 0

    def _wear(self, texture: Texture) -> None:
        if self._worn is not texture:
            self._worn, self._light = texture, self._there(texture.light)
            self._sizes = [self._there(picture).float() for picture in halvings(texture.albedo)]

    def _skin_at(self, hits: Hits, camera: Floats) -> Tensor:
        """Shown albedo [P, 3], of the texture at the size at which the camera sees it."""
        assert self._worn is not None
        halved = min(halvings_for(texels_a_px(self._worn, self._surface, camera)), len(self._sizes) - 1)
        places = (self._corners[hits.triangles] * hits.weights[..., None]).sum(1)
        return sample((self._sizes[halved],), places)

    def _there(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self._device)


class Lift:
    """Carries arrays to a device and back; to a GPU through memory that it reads itself, kept for the next frame."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._kept: dict[str, Tensor] = {}

    def up(self, name: str, array: NDArray[np.generic]) -> Tensor:
        """Its memory is free again after the next `down`."""
        if self._device.type != "cuda":
            return torch.from_numpy(array)
        here = self._pinned(name, array.shape, torch.from_numpy(array).dtype)
        here.numpy()[...] = array
        return here.to(self._device, non_blocking=True)

    def down(self, there: Tensor) -> NDArray[np.generic]:
        if self._device.type != "cuda":
            array: NDArray[np.generic] = there.numpy()
            return array
        here = self._pinned("down", tuple(there.shape), there.dtype).copy_(there, non_blocking=True)
        torch.cuda.current_stream(self._device).synchronize()  # the frame's one wait for the device
        array = here.numpy()
        return array

    def _pinned(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        kept = self._kept.get(name)
        if kept is None or kept.shape != shape:
            kept = self._kept[name] = torch.empty(shape, dtype=dtype, pin_memory=True)
        return kept


def _columns(surface: Surface) -> Floats:
    """[K, N * 3] what each column moves, densely."""
    count = len(surface.starts) - 1
    columns = np.zeros((count, len(surface.vertices), 3), np.float32)
    columns[np.repeat(np.arange(count), np.diff(surface.starts)), surface.ids] = surface.offsets
    return columns.reshape(count, -1)


@lru_cache(maxsize=64)
def _to_clip(focal: float, x: float, y: float, width: int, height: int) -> Floats:
    """[4, 4]; a lens hardly ever changes from frame to frame."""
    nowhere = torch.zeros(3)
    camera = Camera(torch.eye(3), nowhere, torch.tensor(focal), torch.tensor((x, y)))
    matrix: Floats = clip_from_camera(camera, width, height).numpy()
    return matrix


def _lines_at(hits: Hits, corners: Tensor, line_px: float) -> Tensor:
    """How much of each pixel [P] a line along its triangle's sides covers: corners [M, 3, 2] from -1 to 1, y up."""
    (height, width), count = hits.size, torch.arange(max(hits.size), device=corners.device)
    x, y = corners[..., 0] * (width / 2), corners[..., 1] * (height / 2)  # pixels from the middle
    along_x, along_y = x.roll(-1, 1) - x, y.roll(-1, 1) - y
    length = torch.hypot(along_x, along_y)
    # A side is where rising * x + falling * y + offset is 0.
    rising, falling = -along_y / length, along_x / length
    sides = torch.stack((rising, falling, -(rising * x + falling * y)), -1)[hits.triangles]  # [P, 3, 3]
    columns, rows = count[:width] + (0.5 - width / 2), (height / 2 - 0.5) - count[:height]
    at_x, at_y = columns.repeat(height)[:, None], rows.repeat_interleave(width)[:, None]
    away = (sides[..., 0] * at_x + sides[..., 1] * at_y + sides[..., 2]).abs().amin(1)
    return (line_px / 2 + 0.5 - away).clamp(0, 1)


def _softened(covered: Tensor, size: tuple[int, int]) -> Tensor:
    """[P] a fifth for each of a pixel and its neighbours that the surface covers; beyond the window it goes on."""
    share = torch.nn.functional.pad(covered.reshape(size).float(), (1, 1, 1, 1), value=1.0)
    around = share[1:-1, 1:-1] + share[:-2, 1:-1] + share[2:, 1:-1] + share[1:-1, :-2] + share[1:-1, 2:]
    return 0.2 * around.reshape(-1)
