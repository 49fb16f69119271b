"""`head.glb` in other hands: Khronos' validator, and three.js in a browser, whose picture must be ours."""

import base64
import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from models.arkit_names import ARKIT_NAMES
from models.camera import clip_points
from models.types import Camera
from render.gltf import export_glb
from render.morphs import Morphs, arkit_morphs
from render.rasterizer import rasterize
from tests.render.performance import HEAD, IDENTITY, a_track

if TYPE_CHECKING:
    from playwright.sync_api import Page, Playwright, Route

HERE = Path(__file__).parent
VALIDATOR = HERE / "node_modules" / "gltf-validator"
THREE = HERE.parents[1] / "web_client" / "node_modules" / "three"  # the page's own
SITE = "http://three.test/"
WIDTH, HEIGHT = 320, 180
FRAME = 1
COLOURS_NEAR = 3  # of 255
PATIENCE_MS = 120_000

# WebGL in software: the machine need not have a GPU.
FLAGS = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--no-first-run")


def needs(package: Path, command: str) -> None:
    if package.is_dir() and shutil.which("node") is not None:
        return
    what = f"needs node and {package.name}: `{command}` brings it"
    if os.environ.get("MIEN_REQUIRE_BROWSER") == "1":
        pytest.fail(what)
    pytest.skip(what)


@lru_cache(maxsize=1)
def morphs() -> Morphs:
    return arkit_morphs(HEAD, IDENTITY)


def gradient() -> bytes:
    """A texture that says where one is in it: red grows to the right, green downwards."""
    row, column = np.mgrid[:256, :256].astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(np.stack((column, row, np.full_like(row, 90)), -1)).save(stream, "png")
    return stream.getvalue()


def rows(*kept: int) -> dict[str, NDArray[Any]]:
    return {key: value[list(kept)] for key, value in a_track().items()}


@lru_cache(maxsize=4)
def glb(kind: str) -> bytes:
    track = {"performance": a_track(), "textured": a_track(), "picture": rows(FRAME), "no face": rows(3)}.get(kind)
    return export_glb(HEAD, IDENTITY, track, morphs(), gradient() if kind == "textured" else None)


def test_khronos_validator_has_nothing_to_say(tmp_path: Path) -> None:
    needs(VALIDATOR, "make page-tools")
    kinds = ("performance", "textured", "picture", "no face", "no track")
    files = [tmp_path / f"{kind}.glb" for kind in kinds]
    for kind, file in zip(kinds, files, strict=True):
        file.write_bytes(glb(kind))
    told = subprocess.run(
        ["node", HERE / "validate_glb.cjs", *files], cwd=HERE, capture_output=True, text=True, check=True
    )
    for kind, report in zip(kinds, json.loads(told.stdout), strict=True):
        issues = report["issues"]
        assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), f"{kind}: {issues['messages'][:5]}"
        assert report["info"]["materialCount"] == 1
    assert json.loads(told.stdout)[0]["info"]["hasMorphTargets"] is True


def test_the_validator_finds_what_is_wrong(tmp_path: Path) -> None:
    """A bound of a target that does not hold: or the test above could not fail."""
    needs(VALIDATOR, "make page-tools")
    content = glb("no track")
    where = content.index(b'"max":[')
    (tmp_path / "broken.glb").write_bytes(content[: where + 7] + b"9" + content[where + 8 :])
    told = subprocess.run(
        ["node", HERE / "validate_glb.cjs", tmp_path / "broken.glb"],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(told.stdout)[0]["issues"]["numErrors"] > 0


# three.js.


@pytest.fixture(scope="module")
def page(playwright: "Playwright", chromium: str) -> Iterator["Page"]:
    needs(THREE, "make web")
    browser = playwright.chromium.launch(
        executable_path=chromium, args=list(FLAGS), chromium_sandbox=False, timeout=PATIENCE_MS
    )
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.route(f"{SITE}**", serve)
    page.goto(SITE)
    page.wait_for_function("window.ready === true")
    yield page
    browser.close()
    assert complaints == []


def serve(route: "Route") -> None:
    path = route.request.url.removeprefix(SITE).partition("?")[0]
    if path.endswith(".glb"):
        route.fulfill(body=glb(path.removesuffix(".glb")), content_type="model/gltf-binary")
    elif path.startswith("three/"):
        route.fulfill(path=THREE.parent / path, content_type="text/javascript")
    elif path == "":
        route.fulfill(path=HERE / "three_page.html", content_type="text/html")
    else:
        route.fulfill(status=204)


def play(page: "Page", kind: str) -> dict[str, Any]:
    """What three.js shows of that frame."""
    shown: dict[str, Any] = page.evaluate(
        "([address, seconds, width, height]) => window.play(address, seconds, width, height)",
        [f"/{kind}.glb", FRAME / 30, WIDTH, HEIGHT],
    )
    return shown


def picture(shown: dict[str, Any]) -> NDArray[np.int64]:
    """[H, W, 3], row 0 on top."""
    flat = np.frombuffer(base64.b64decode(shown["pixels"]), np.uint8)
    return flat.reshape(HEIGHT, WIDTH, 4)[::-1, :, :3].astype(np.int64)


def our_camera() -> Camera:
    """Of that frame, for the small picture."""
    track = a_track()
    return Camera(
        torch.from_numpy(track["rotation"][FRAME]),
        torch.from_numpy(track["translation"][FRAME]),
        torch.tensor(IDENTITY.focal_px * WIDTH / IDENTITY.size_px[0]),
        torch.tensor((WIDTH / 2, HEIGHT / 2)),
    )


def ours(values: NDArray[np.float32], value_triangles: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Vertices' values [V, C] as a picture [H, W, C] of that frame, and where the head is."""
    vertices = torch.from_numpy(morphs().posed(a_track()["blendshapes"][FRAME]))
    clip = clip_points(our_camera(), vertices, WIDTH, HEIGHT)
    fragments = rasterize(clip, HEAD.triangles, (HEIGHT, WIDTH), "cpu").numpy()
    hit = fragments[..., 3] > 0
    u, v = fragments[hit][:, :1], fragments[hit][:, 1:2]
    corners = values[value_triangles[fragments[hit][:, 3].astype(int) - 1]]
    image = np.zeros((HEIGHT, WIDTH, values.shape[1]))
    image[hit] = corners[:, 0] * u + corners[:, 1] * v + corners[:, 2] * (1 - u - v)
    return image, hit


def srgb(linear: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(
        255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clip(1e-9) ** (1 / 2.4) - 0.055)
    )


def compare(shown: NDArray[np.int64], expected: NDArray[Any], hit: NDArray[np.bool_]) -> None:
    """Outlines to the pixel but for a few whose centre an edge passes; inside, the colours that we interpolate."""
    theirs = (shown != (0, 0, 255)).any(-1)
    assert hit.sum() > 0.05 * hit.size
    assert (theirs != hit).sum() < 0.003 * hit.sum()
    away = np.abs(shown - expected).max(-1)[theirs & hit]
    assert np.median(away) <= 1
    assert (away <= COLOURS_NEAR).mean() > 0.99  # elsewhere colours change within a pixel: lashes, nostrils, seams


def test_three_js_puts_every_vertex_where_we_do(page: "Page") -> None:
    shown = play(page, "performance")
    assert shown["targets"] == list(ARKIT_NAMES)
    assert shown["aspect"] == pytest.approx(WIDTH / HEIGHT)
    vertices = torch.from_numpy(morphs().posed(a_track()["blendshapes"][FRAME]))
    clip = clip_points(our_camera(), vertices, WIDTH, HEIGHT).numpy()
    expected = (clip[:, :2] / clip[:, 3:] * (0.5, -0.5) + 0.5) * (WIDTH, HEIGHT)
    corners = np.unique(np.stack([HEAD.triangles.numpy().ravel(), HEAD.uv_triangles.numpy().ravel()], 1), axis=0)
    away = np.abs(np.reshape(shown["seen"], (-1, 2)) - expected[corners[:, 0]])
    assert away.max() < 0.01, f"{away.max():.3f} px"


def test_three_js_draws_the_picture_that_we_draw(page: "Page") -> None:
    colours, hit = ours(HEAD.colours.numpy(), HEAD.triangles.numpy())
    compare(picture(play(page, "performance")), srgb(colours), hit)


def test_three_js_lays_the_texture_as_we_do(page: "Page") -> None:
    places, hit = ours(HEAD.uvs.numpy(), HEAD.uv_triangles.numpy())
    expected = np.concatenate([256 * places - 0.5, np.full((HEIGHT, WIDTH, 1), 90)], -1)
    compare(picture(play(page, "textured")), expected, hit)


def test_a_single_picture_stands_as_it_looked(page: "Page") -> None:
    still, moving = play(page, "picture"), play(page, "performance")
    assert np.abs(np.subtract(still["seen"], moving["seen"])).max() < 0.01
