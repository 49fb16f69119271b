"""Plain requests to a running server."""

import urllib.error
import urllib.request

from tests.stream.running import Running


def fetch(server: Running, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(server.http + path, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


def get(server: Running, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    status, content, told = fetch(server, path, **headers)
    return status, content.decode(), told
