"""What Prometheus may ask: how many sessions, frames and faults, and how the event loop keeps up. Nothing of a face."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """One per server, with a registry of its own, so that servers in one process do not meet."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.sessions = Gauge("mien_sessions", "Sessions that have a place", registry=registry)
        self.queued = Gauge("mien_queued", "Clients waiting for a place", registry=registry)
        self.watchers = Gauge("mien_watchers", "Sockets that only listen", registry=registry)
        self.sessions_started = Counter("mien_sessions_started", "Sessions begun", registry=registry)
        self.sessions_resumed = Counter("mien_sessions_resumed", "Sessions taken up after a break", registry=registry)
        self.refused = Counter("mien_refused", "Sockets refused", ["reason"], registry=registry)
        self.errors = Counter("mien_errors", "Errors told to clients", ["code"], registry=registry)
        self.frames_received = Counter("mien_frames_received", "Frames decoded", registry=registry)
        self.frames_tracked = Counter("mien_frames_tracked", "Frames tracked", registry=registry)
        self.frames_returned = Counter("mien_frames_returned", "Overlay frames encoded and sent", registry=registry)
        self.frames_dropped = Counter("mien_frames_dropped", "Frames a newer one overtook", registry=registry)
        self.params_skipped = Counter("mien_params_skipped", "Parameters slow listeners missed", registry=registry)
        self.stage_ms = Gauge("mien_stage_ms", "Median of a stage, slowest session", ["stage"], registry=registry)
        self.loop_late_s = Gauge("mien_loop_late_seconds", "How late the event loop woke last", registry=registry)

    def text(self) -> bytes:
        return generate_latest(self._registry)
