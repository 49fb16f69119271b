"""The 3D head: it stands there when it has been learned, moves as the stream says, and may be absent."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from render.gltf import export_glb
from stream.engine import Engine
from tests.stream.running import Running
from tests.stream.test_downloads import check_glb
from tests.web.visit import Visit

PAGE = Path(__file__).parents[2] / "web_client"
WIDTH, HEIGHT = 120, 150


@pytest.fixture(scope="module", autouse=True)
def _three() -> None:
    if not (PAGE / "node_modules" / "three").is_dir():
        pytest.skip("needs three.js: `make web` fetches it")


# A head of the page's own, small, for poses that nobody takes before the camera: its pictures as rows of RGBA.
SMALL = """async ([names, poses, width, height]) => {
  const { Avatar } = await import("/avatar.js");
  const canvas = document.body.appendChild(document.createElement("canvas"));
  canvas.style.cssText = `position: fixed; width: ${width}px; height: ${height}px`;
  const avatar = new Avatar(canvas);
  avatar.names = names;
  const pictures = [];
  let worn = "";
  for (const { glb, mirrored, params } of poses) {
    if (glb !== worn) await avatar.load(await (await fetch(glb)).arrayBuffer());
    worn = glb;
    avatar.mirrored = mirrored;
    avatar.draw(null); // whoever comes next stands elsewhere
    avatar.draw({ ...params, camera: { ...params.camera, translation: [0, 0, 0.5] } }); // where it mostly is
    avatar.draw(params);
    const flat = Object.assign(document.createElement("canvas"), { width, height });
    const pen = flat.getContext("2d");
    pen.drawImage(canvas, 0, 0, width, height);
    pictures.push([...pen.getImageData(0, 0, width, height).data]);
  }
  canvas.remove();
  return pictures;
}"""


def test_the_learned_head_moves_as_the_stream_says(engine: Engine, server: Running, visit: Visit) -> None:
    visit.forgive = lambda complaint: "ReadPixels" in complaint  # what the looking at pictures costs
    visit.page.set_viewport_size({"width": 700, "height": 500})  # drawn by the processor here
    visit.open(server.http)
    visit.until(lambda: visit.of("identity"), "a learned head")
    visit.press("3D head")
    pane = visit.page.locator("#avatar-pane")
    visit.until(lambda: pane.get_attribute("data-shown") is not None, "the 3D head")
    visit.press("3D head")
    assert not pane.is_visible()
    names = visit.of("welcome")[-1]["head"]["blendshape_names"]

    def pose(glb: str, yaw: float = 0, right_m: float = 0, mirrored: bool = False, **weights: float) -> Any:
        half = math.radians(yaw) / 2
        rotation = [0, math.cos(half), 0, math.sin(half)]  # a turn about the camera's y, after facing it
        camera = {"rotation": rotation, "translation": [right_m, 0, 0.5]}
        params = {"camera": camera, "blendshapes": [weights.get(name, 0) for name in names]}
        return {"glb": glb, "mirrored": mirrored, "params": params}

    visit.page.route("**/blue.glb", lambda route: route.fulfill(body=in_blue(engine, server, visit)))
    head = visit.of("identity")[-1]["glb"]
    poses = [
        pose(head),
        pose(head, jawOpen=1),
        pose(head, yaw=40, right_m=0.1),
        pose(head, yaw=40, right_m=0.1, mirrored=True),
        pose("/blue.glb"),
    ]
    pictures = visit.page.evaluate(SMALL, [names, poses, WIDTH, HEIGHT])
    rest, open_, moved, mirrored, blue = np.array(pictures, np.uint8).reshape(-1, HEIGHT, WIDTH, 4)
    assert 0.15 < (rest[:, :, 3] > 128).mean() < 0.8, "the head should fill the picture, not cover it"
    changed = np.abs(open_.astype(int) - rest).sum(2)
    assert changed[HEIGHT // 2 :].sum() > 10_000, "an open jaw should be seen"
    assert changed[: HEIGHT // 2].sum() < 0.2 * changed.sum(), "in the lower half"
    assert middle(moved) > middle(rest) + 5
    shapes = [picture[:, :, 3] > 128 for picture in (moved, mirrored)]
    assert (shapes[0] ^ shapes[1][:, ::-1]).mean() < 0.02, "a mirrored way and turn are their mirror image"
    assert (shapes[0] ^ shapes[1]).mean() > 0.1
    red, _, blue_seen = blue[blue[:, :, 3] > 250][:, :3].mean(0)
    assert blue_seen > 2 * red, "a head should wear the skin that it brings"


def middle(picture: NDArray[np.uint8]) -> float:
    """Of the head, from left to right."""
    return float(np.average(np.arange(WIDTH), weights=picture[:, :, 3].sum(0)))


def in_blue(engine: Engine, server: Running, visit: Visit) -> bytes:
    """The learned head with a plain blue skin, which can be told from the head's own colours."""
    skin = io.BytesIO()
    Image.new("RGB", (64, 64), (20, 40, 220)).save(skin, "PNG")
    session = server.hub.find(visit.of("welcome")[-1]["session"])
    assert session is not None
    assert session.identity is not None
    return export_glb(engine.head, session.identity, texture=skin.getvalue())


def test_without_three_the_page_says_so_and_works(server: Running, visit: Visit) -> None:
    visit.forgive = lambda complaint: "404" in complaint
    visit.page.route("**/node_modules/**", lambda route: route.fulfill(status=404))
    visit.open(server.http)
    visit.press("3D head")
    visit.until_shown("make web")
    visit.until_status("Tracking")


def test_the_head_can_be_saved(server: Running, visit: Visit, tmp_path: Path) -> None:
    visit.open(server.http)
    visit.until(lambda: visit.of("identity"), "a learned head")
    with visit.page.expect_download() as download:
        visit.press("Save head")
    download.value.save_as(tmp_path / "head.glb")
    check_glb((tmp_path / "head.glb").read_bytes())
