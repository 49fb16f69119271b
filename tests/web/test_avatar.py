"""The 3D head: it stands there when it has been learned, moves as the stream says, and may be absent."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

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
SMALL = """async ([path, names, poses]) => {
  const { Avatar } = await import("/avatar.js");
  const canvas = document.body.appendChild(document.createElement("canvas"));
  canvas.style.cssText = "position: fixed; width: 120px; height: 150px";
  const avatar = new Avatar(canvas);
  avatar.names = names;
  await avatar.load(await (await fetch(path)).arrayBuffer());
  const pictures = [];
  for (const { mirrored, params } of poses) {
    avatar.mirrored = mirrored;
    avatar.draw(null); // whoever comes next stands elsewhere
    avatar.draw({ ...params, camera: { ...params.camera, translation: [0, 0, 0.5] } }); // where it mostly is
    avatar.draw(params);
    const flat = Object.assign(document.createElement("canvas"), { width: 120, height: 150 });
    const pen = flat.getContext("2d");
    pen.drawImage(canvas, 0, 0, 120, 150);
    pictures.push([...pen.getImageData(0, 0, 120, 150).data]);
  }
  canvas.remove();
  return pictures;
}"""


def pose(names: list[str], yaw: float = 0, right_m: float = 0, mirrored: bool = False, **weights: float) -> Any:
    half = math.radians(yaw) / 2
    rotation = [0, math.cos(half), 0, math.sin(half)]  # a turn about the camera's y, after facing it
    camera = {"rotation": rotation, "translation": [right_m, 0, 0.5]}
    return {"mirrored": mirrored, "params": {"camera": camera, "blendshapes": [weights.get(n, 0) for n in names]}}


def middle(picture: NDArray[np.uint8]) -> float:
    """Of the head, from left to right."""
    return float(np.average(np.arange(WIDTH), weights=picture[:, :, 3].sum(0)))


def test_the_learned_head_moves_as_the_stream_says(server: Running, visit: Visit) -> None:
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
    poses = [
        pose(names),
        pose(names, jawOpen=1),
        pose(names, right_m=0.1),
        pose(names, right_m=0.1, mirrored=True),
        pose(names, yaw=40),
        pose(names, yaw=40, mirrored=True),
    ]
    pictures = visit.page.evaluate(SMALL, [visit.of("identity")[-1]["glb"], names, poses])
    rest, open_, aside, mirrored, turned, turned_back = np.array(pictures, np.uint8).reshape(-1, HEIGHT, WIDTH, 4)
    assert 0.15 < (rest[:, :, 3] > 128).mean() < 0.8, "the head should fill the picture, not cover it"
    changed = np.abs(open_.astype(int) - rest).sum(2)
    assert changed[HEIGHT // 2 :].sum() > 5 * changed[: HEIGHT // 2].sum() > 0 or changed[: HEIGHT // 2].sum() == 0
    assert changed.sum() > 10_000
    assert middle(aside) > middle(rest) + 5
    assert middle(mirrored) < middle(rest) - 5
    shapes = [picture[:, :, 3] > 128 for picture in (rest, turned, turned_back)]
    assert (shapes[1] ^ shapes[0]).mean() > 0.02
    assert (shapes[1] ^ shapes[2][:, ::-1]).mean() < 0.02, "a mirrored turn is the turn's mirror image"


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
