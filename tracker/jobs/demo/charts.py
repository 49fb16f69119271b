"""Lines over time as SVG that stands inside a page: no script, no font, no file beside it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WIDTH, HEIGHT = 720, 170
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 24, 22  # margins around the lines
TICKS = 4  # about so many on the upright axis


@dataclass(frozen=True)
class Line:
    name: str
    values: Floats  # [T], NaN where nothing is known
    style: str  # a class of the page's style sheet


@dataclass(frozen=True)
class Chart:
    title: str
    times_s: Floats  # [T]
    lines: Sequence[Line]
    unit: str = ""
    low: float | None = None  # of the upright axis, where it is known beforehand
    high: float | None = None
    shaded_until_s: float | None = None  # from the start on

    def svg(self) -> str:
        low, high = self._range()
        parts = [*self._shade(), *self._grid(low, high), *self._legend()]
        parts += [
            f'<path class="line {line.style}" d="{path}"/>'
            for line in self.lines
            if (path := self._path(line.values, low, high))
        ]
        text = f"<title>{escape(self.title)}</title>" + "".join(parts)
        return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{text}</svg>'

    def _range(self) -> tuple[float, float]:
        known = np.concatenate([line.values[np.isfinite(line.values)] for line in self.lines] or [np.zeros(0)])
        low = self.low if self.low is not None else float(known.min(initial=0.0))
        high = self.high if self.high is not None else float(known.max(initial=0.0))
        return (low, high) if high > low else (low, low + 1.0)

    def _x(self, time_s: float) -> float:
        first, last = float(self.times_s[0]), float(self.times_s[-1])
        return LEFT + (time_s - first) / max(last - first, 1e-9) * (WIDTH - LEFT - RIGHT)

    def _shade(self) -> Iterator[str]:
        if self.shaded_until_s is not None:
            width = max(0.0, self._x(min(self.shaded_until_s, float(self.times_s[-1]))) - LEFT)
            yield f'<rect class="shade" x="{LEFT}" y="{TOP}" width="{width:.1f}" height="{HEIGHT - TOP - BOTTOM}"/>'

    def _grid(self, low: float, high: float) -> Iterator[str]:
        step = nice_step((high - low) / TICKS)
        for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
            y = upright(k * step, low, high)
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{k * step:.4g}</text>'
        duration = float(self.times_s[-1] - self.times_s[0])
        step = nice_step(max(duration, 1e-3) / 8)
        for k in range(math.floor(duration / step + 1e-9) + 1):
            x = self._x(float(self.times_s[0]) + k * step)
            yield f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{k * step:.4g} s</text>'

    def _legend(self) -> Iterator[str]:
        title = escape(self.title + (f", {self.unit}" if self.unit else ""))
        yield f'<text class="name" x="{LEFT}" y="15">{title}</text>'
        x = float(WIDTH - RIGHT)
        for line in reversed(self.lines):
            yield f'<text class="tick" x="{x:.0f}" y="15" text-anchor="end">{escape(line.name)}</text>'
            x -= 6.2 * len(line.name) + 8
            yield f'<line class="line {line.style}" x1="{x - 16:.0f}" x2="{x:.0f}" y1="11" y2="11"/>'
            x -= 30

    def _path(self, values: Floats, low: float, high: float) -> str:
        """Broken where a value is missing; what leaves the range runs along its edge."""
        steps, pen = [], "M"
        for time_s, value in zip(self.times_s, values, strict=True):
            if math.isfinite(value):
                steps.append(f"{pen}{self._x(float(time_s)):.1f} {upright(min(max(value, low), high), low, high):.1f}")
                pen = "L"
            else:
                pen = "M"
        return "".join(steps)


def upright(value: float, low: float, high: float) -> float:
    return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)


def nice_step(about: float) -> float:
    """1, 2 or 5 times a power of ten, not below `about`."""
    power = 10.0 ** math.floor(math.log10(about))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= about * (1 - 1e-9))
