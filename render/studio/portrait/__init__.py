"""Portraits: the studio's people drawn with care, for people to look at. Slower than the studio's plain pictures.

    film(head, person, stage, motion, maker=Portrait(head, person, stage))

Hairs one by one, skin as a painted texture with light that goes some way through it, soft shadows, eyes with irises and
glints, shoulders, a room. What is true of a picture stays as true: only how it looks is different.
"""

from render.studio.portrait.portrait import Portrait

__all__ = ["Portrait"]
