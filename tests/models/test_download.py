"""Downloads over a real server on loopback: checked, continued, and told in one line when they fail."""

import hashlib
import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import download as downloads
from models.download import LANDMARKER, Item, download, ict_items, is_whole
from models.types import MienError

CONTENT = {f"folder/file {number}.obj": bytes([number]) * (150_000 + number) for number in range(6)}


class Shelf(http.server.ThreadingHTTPServer):
    """Serves `files`; each path in `breaks` is cut short that many times, `ranges` is what was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = dict(CONTENT)
        self.breaks: dict[str, int] = {}
        self.status: dict[str, int] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.whole_only = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of these tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Shelf

    def do_GET(self) -> None:
        name = self.path.lstrip("/").replace("%20", " ")
        asked = self.headers.get("Range")
        self.server.asked.append((name, asked))
        if name not in self.server.files or self.server.status.get(name, 200) != 200:
            self.send_error(self.server.status.get(name, 404))
            return
        data = self.server.files[name]
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and not self.server.whole_only else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.server.breaks.get(name, 0):
            self.server.breaks[name] -= 1
            self.wfile.write(data[start : start + 100_000])
            self.connection.close()
        else:
            self.wfile.write(data[start:])

    def log_message(self, format: str, *args: object) -> None:
        """Tests stay quiet."""


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.setattr(downloads, "PAUSE_S", 0.01)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Shelf() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def git_item(path: str, data: bytes) -> Item:
    blob = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
    return Item(path, len(data), f"git:{blob}")


ITEMS = [git_item(path, data) for path, data in CONTENT.items()]


def assert_all_there(folder: Path) -> None:
    for path, data in CONTENT.items():
        assert (folder / path).read_bytes() == data
    assert not list(folder.rglob("*.part"))


def test_everything_arrives_with_progress(shelf: Shelf, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    download(ITEMS, shelf.url, tmp_path, lambda done, total: told.append((done, total)))
    assert_all_there(tmp_path)
    total = sum(len(data) for data in CONTENT.values())
    assert told[-1] == (total, total)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_second_run_asks_for_nothing(shelf: Shelf, tmp_path: Path) -> None:
    download(ITEMS, shelf.url, tmp_path)
    shelf.asked.clear()
    download(ITEMS, shelf.url, tmp_path)
    assert shelf.asked == []


def test_broken_connections_are_continued(shelf: Shelf, tmp_path: Path) -> None:
    broken = ITEMS[2].path
    shelf.breaks[broken] = 1
    download(ITEMS, shelf.url, tmp_path)
    assert_all_there(tmp_path)
    ranges = [asked for name, asked in shelf.asked if name == broken]
    assert ranges[0] is None
    assert ranges[1] is not None
    assert ranges[1].startswith("bytes=")


def test_a_half_file_of_an_earlier_run_is_continued(shelf: Shelf, tmp_path: Path) -> None:
    item = ITEMS[1]
    part = tmp_path / f"{item.path}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[item.path][:1000])
    download([item], shelf.url, tmp_path)
    assert shelf.asked == [(item.path, "bytes=1000-")]
    assert is_whole(tmp_path / item.path, item)


def test_a_server_without_ranges_sends_all_again(shelf: Shelf, tmp_path: Path) -> None:
    shelf.whole_only = True
    shelf.breaks[ITEMS[0].path] = 1
    told: list[int] = []
    download(ITEMS, shelf.url, tmp_path, lambda done, _: told.append(done))
    assert_all_there(tmp_path)
    assert told[-1] == sum(item.size for item in ITEMS)


def test_a_changed_file_is_fetched_again(shelf: Shelf, tmp_path: Path) -> None:
    download(ITEMS, shelf.url, tmp_path)
    victim = tmp_path / ITEMS[3].path
    victim.write_bytes(b"x" * ITEMS[3].size)
    download(ITEMS, shelf.url, tmp_path)
    assert_all_there(tmp_path)


@pytest.mark.parametrize("change", [lambda data: data[:-1] + b"!", lambda data: data + b"more"])
def test_other_content_never_gets_the_name(shelf: Shelf, tmp_path: Path, change: object) -> None:
    path, data = next(iter(CONTENT.items()))
    shelf.files[path] = change(data)  # type: ignore[operator]
    if len(shelf.files[path]) > len(data):  # what is beyond the size is not even read
        download(ITEMS[:1], shelf.url, tmp_path)
        assert is_whole(tmp_path / path, ITEMS[0])
        return
    with pytest.raises(MienError, match=r"expected git:[0-9a-f]{40}, but other bytes came"):
        download(ITEMS[:1], shelf.url, tmp_path)
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_sha256_is_checked_too(shelf: Shelf, tmp_path: Path) -> None:
    data = b"model" * 1000
    shelf.files["face_landmarker.task"] = data
    good = Item("face_landmarker.task", len(data), f"sha256:{hashlib.sha256(data).hexdigest()}")
    download([good], shelf.url, tmp_path)
    assert (tmp_path / good.path).read_bytes() == data
    with pytest.raises(MienError, match="expected sha256:"):
        download([Item(good.path, len(data), "sha256:" + "0" * 64)], shelf.url, tmp_path / "other")


def test_offline_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PAUSE_S", 0.01)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Shelf() as closed:
        url = closed.url
    start = time.monotonic()
    with pytest.raises(MienError) as caught:
        download(ITEMS, url, tmp_path)
    assert time.monotonic() - start < 60
    host = url.removeprefix("http://")
    assert str(caught.value).startswith(f"cannot reach {host} (")
    assert str(caught.value).endswith("); check the network and run this again, what has come is kept")
    assert "\n" not in str(caught.value)


def test_missing_and_failing_files_are_told(shelf: Shelf, tmp_path: Path) -> None:
    del shelf.files[ITEMS[0].path]
    with pytest.raises(MienError, match="expected the file, got '404 Not Found'"):
        download(ITEMS, shelf.url, tmp_path)
    assert [name for name, _ in shelf.asked].count(ITEMS[0].path) == 1  # asking again would not help


def test_a_server_that_fails_is_asked_again(shelf: Shelf, tmp_path: Path) -> None:
    shelf.status[ITEMS[1].path] = 503
    with pytest.raises(MienError, match=r"cannot reach 127\.0\.0\.1:\d+ \(503 Service Unavailable\)"):
        download([ITEMS[1]], shelf.url, tmp_path)
    assert len(shelf.asked) == downloads.ATTEMPTS


def test_an_unwritable_place_is_told(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file where a folder must be")
    with pytest.raises((MienError, OSError), match=r"folder"):
        download(ITEMS[:1], shelf.url, tmp_path)


def test_the_lists_of_files() -> None:
    items = ict_items()
    assert len(items) == 160  # 158 meshes, the lists of vertices, the licence
    assert sum(item.path.endswith(".obj") for item in items) == 158
    assert len({item.path for item in items}) == 160
    assert all(len(item.check) == 44 and item.size > 0 for item in items)


def test_the_sample_is_what_the_list_says(shared_dir: Path) -> None:
    folder = shared_dir / "ict_facekit_sample"
    if not folder.is_dir():
        pytest.skip("needs the sample of ICT-FaceKit beside the checkout")
    there = [item for item in ict_items() if (folder / item.path).is_file()]
    assert len(there) >= 16
    assert all(is_whole(folder / item.path, item) for item in there)


def test_the_landmarker_is_what_its_hash_says(shared_dir: Path) -> None:
    path = shared_dir / "models" / LANDMARKER.path
    if not path.is_file():
        pytest.skip("needs face_landmarker.task beside the checkout")
    assert is_whole(path, LANDMARKER)
