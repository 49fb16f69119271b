"""What is checked and changed in SDP texts on their way in and out."""

import re

MAX_LINES = 600
MAX_CANDIDATES = 20


class BadOffer(Exception):
    """An offer that cannot be answered; the text says what was expected and what came."""


def checked_offer(sdp: str, keep_candidates: bool) -> str:
    """The offer without candidates, or raises BadOffer.

    A client's checks reach the server's own candidates, so its candidates are not needed, and without them nobody can
    have this server knock at other machines. They are kept for servers behind a relay, which must knock first;
    never the ones that only multicast DNS could resolve, which costs a second each.
    """
    lines = sdp.replace("\r\n", "\n").rstrip("\n").split("\n")
    if len(lines) > MAX_LINES:
        raise BadOffer(f"expected at most {MAX_LINES} lines of SDP, got {len(lines)}")
    media = [line[2:].split(" ")[0] for line in lines if line.startswith("m=")]
    if media != ["video"]:
        raise BadOffer(f"expected one video line (m=video) and no other, got {', '.join(media[:8]) or 'none'}")
    candidates = [line for line in lines if line.startswith("a=candidate:")]
    if len(candidates) > MAX_CANDIDATES:
        raise BadOffer(f"expected at most {MAX_CANDIDATES} candidates, got {len(candidates)}")
    kept = [line for line in lines if _stays(line, keep_candidates)]
    return "\r\n".join(kept) + "\r\n"


def _stays(line: str, keep_candidates: bool) -> bool:
    if line.startswith("a=end-of-candidates"):
        return False  # more may always come: the client itself, once its checks arrive
    return not line.startswith("a=candidate:") or (keep_candidates and usable_candidate(line))


def usable_candidate(candidate: str) -> bool:
    """Whether it names a numeric address."""
    words = candidate.split(" ")
    return len(words) >= 8 and re.fullmatch(r"[0-9a-fA-F.:]+", words[4]) is not None


def with_start_rate(sdp: str, kilobits: int) -> str:
    """An answer that asks a Chromium browser to start, and stay, at a rate: its own slow start begins at 300 kb/s and
    may halve the picture's size."""
    lines = []
    for line in sdp.split("\r\n"):
        lines.append(line)
        codec = re.fullmatch(r"a=rtpmap:(\d+) VP8/90000", line)
        if codec:
            rates = f"x-google-start-bitrate={kilobits};x-google-min-bitrate={kilobits}"
            lines.append(f"a=fmtp:{codec[1]} {rates}")
    return "\r\n".join(lines)
