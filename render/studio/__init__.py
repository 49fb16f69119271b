"""A studio: clips of people who do not exist, with everything about them known.

    person = random_person(head, seed)                     who: identity, skin, hair, brows, lips, eyes
    stage = random_stage(seed)                             where: lens, distance, light, background, sensor
    motion = talking(frames=300, turning_degrees=20)       what they do: ARKit weights and the head's pose a frame
                                                          or speaking(300, seed, "Any words."), see speech.py
    for shot in film(head, person, stage, motion): ...     pictures, each with its truth

The same seeds give the same pictures. Any `Head` can play; shapes that it lacks stay still. `portrait` draws the same
clips with more care, for people to look at.
"""

from render.studio.film import Shot, film
from render.studio.motion import Motion
from render.studio.people import Person, random_person
from render.studio.stage import Stage, random_stage

__all__ = ["Motion", "Person", "Shot", "Stage", "film", "random_person", "random_stage"]
