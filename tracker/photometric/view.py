"""A picture cut out around its head, and what of the mesh is seen in it."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.camera import camera_points, clip_points, project
from models.head import ShapedHead, pose_head
from models.skinning import vertex_normals
from models.types import Camera, HeadParams, MienError
from render.rasterizer import rasterize
from tracker.photometric.colours import linear

MARGIN = 0.12  # of the face's size, around it
BEHIND_M = 0.004  # a vertex farther than this behind what its pixel shows is hidden
FACING = 0.2  # cosine, from which on a surface is looked at


@dataclass(frozen=True)
class View:
    """One picture of a head whose identity is known. The cut-out has a camera of its own."""

    image: NDArray[np.uint8]  # [h, w, 3] RGB, the part around the head, perhaps smaller than it was
    params: HeadParams
    camera: Camera  # of the cut-out
    origin_px: tuple[float, float]  # where its top left corner lies in the whole picture
    scale: float  # pixels of the cut-out a pixel of the whole picture

    @staticmethod
    def cut(
        image: NDArray[np.uint8],
        params: HeadParams,
        camera: Camera,
        points_px: NDArray[np.float32],
        iod_px: float,
        most_iod_px: float = 150.0,
    ) -> "View":
        """`points_px` [N, 2] must be in it; a face with eyes farther apart than `most_iod_px` is reduced to that."""
        height, width = image.shape[:2]
        finite = points_px[np.isfinite(points_px).all(1)]
        if not len(finite) or not math.isfinite(iod_px):
            raise MienError("expected a face in the picture, got none: there is no texture to be seen")
        low, high = finite.min(0), finite.max(0)
        margin = MARGIN * float((high - low).max()) + 2
        left, top = (int(np.clip(low[k] - margin, 0, (width, height)[k] - 1)) for k in (0, 1))
        right, bottom = (int(np.clip(high[k] + margin, (left, top)[k] + 1, (width, height)[k])) for k in (0, 1))
        part = image[top:bottom, left:right]
        scale = min(1.0, max(most_iod_px / max(iod_px, 1.0), 1 / min(part.shape[:2])))
        if scale < 1:  # by exactly that, though no whole number of pixels may come out
            part = np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        view = View(np.array(part, np.uint8, order="C"), params, camera, (float(left), float(top)), scale)
        return replace(view, camera=view.moved(camera))

    def moved(self, camera: Camera) -> Camera:
        """A camera of the whole picture as one of the cut-out."""
        origin = camera.principal_px.new_tensor(self.origin_px)
        return replace(
            camera, focal_px=camera.focal_px * self.scale, principal_px=(camera.principal_px - origin) * self.scale
        )

    def restored(self, camera: Camera) -> Camera:
        """A camera of the cut-out as one of the whole picture."""
        origin = camera.principal_px.new_tensor(self.origin_px)
        return replace(
            camera, focal_px=camera.focal_px / self.scale, principal_px=camera.principal_px / self.scale + origin
        )

    @property
    def size(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]


@dataclass(frozen=True)
class Seen:
    """A posed mesh in a view."""

    points_px: Tensor  # [V, 2]
    camera_m: Tensor  # [V, 3]
    normals: Tensor  # [V, 3] in the camera frame
    facing: Tensor  # [V] cosine between the normal and the line of sight
    depth_m: Tensor  # [H, W] of what each pixel shows, infinite where nothing is
    visible: Tensor  # [V] bool

    @staticmethod
    def of(shaped: ShapedHead, view: View) -> "Seen":
        vertices = pose_head(shaped, view.params).vertices
        triangles = shaped.head.triangles
        camera_m = camera_points(view.camera, vertices)
        normals = vertex_normals(camera_m, triangles)
        facing = -(normals * torch.nn.functional.normalize(camera_m, dim=-1)).sum(-1)
        points_px = project(view.camera, vertices)
        depth = depth_of(clip_points(view.camera, vertices, view.size[1], view.size[0]), camera_m, triangles, view.size)
        visible = (facing > FACING) & is_shown(points_px, camera_m[:, 2], depth)
        return Seen(points_px, camera_m, normals, facing, depth, visible)


def depth_of(clip: Tensor, camera_m: Tensor, triangles: Tensor, size: tuple[int, int]) -> Tensor:
    """[H, W] metres along the view of what each pixel shows."""
    fragments = rasterize(clip, triangles, size).reshape(-1, 4)
    hit = fragments[:, 3].nonzero()[:, 0]
    depth = fragments.new_full((len(fragments),), torch.inf)
    u, v = fragments[hit, 0], fragments[hit, 1]
    a, b, c = camera_m[triangles[fragments[hit, 3].long() - 1], 2].unbind(1)
    depth[hit] = u * a + v * b + (1 - u - v) * c
    return depth.reshape(size)


def is_shown(points_px: Tensor, depth_m: Tensor, picture_m: Tensor) -> Tensor:
    """[N] whether points lie inside the picture and not behind what it shows there."""
    height, width = picture_m.shape
    inside = (points_px > 0).all(-1) & (points_px[:, 0] < width) & (points_px[:, 1] < height) & (depth_m > 0)
    at = torch.where(inside[:, None], points_px, 0.0).long()
    return inside & (depth_m < picture_m[at[:, 1], at[:, 0]] + BEHIND_M)


def read_colours(picture: Tensor, points_px: Tensor) -> Tensor:
    """Bilinear: [C, H, W] at [N, 2] pixels -> [N, C]."""
    size = points_px.new_tensor((picture.shape[2], picture.shape[1]))
    grid = (2 * points_px / size - 1)[None, None]
    found = torch.nn.functional.grid_sample(picture[None], grid, padding_mode="border", align_corners=False)
    return found[0, :, 0].T


def smoothed(view: View, sigma_px: float) -> Tensor:
    """The view in linear light, blurred: [3, H, W]."""
    picture = linear(view.image)
    if sigma_px > 0.3:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma_px))
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
