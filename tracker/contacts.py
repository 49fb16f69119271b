"""Lids and lips: pairs of landmarks whose distance matters more than where they are.

A closed eye must close and lips that touch must touch, whatever the average error says. So the gap of each pair is a
residual of its own, in the picture, beside those of its two points.
"""

LIDS = ((159, 145), (158, 153), (160, 144), (386, 374), (385, 380), (387, 373))  # upper, lower; right eye, left eye
LIPS = ((13, 14), (82, 87), (312, 317), (81, 178), (311, 402))  # upper, lower inner lip
PAIRS = (*LIDS, *LIPS)
UPPER, LOWER = (tuple(pair[side] for pair in PAIRS) for side in (0, 1))
