"""What a head without a texture is painted with: linear RGB, 0 to 1, a plain skin of no particular person."""

SKIN = (0.42, 0.27, 0.20)
LIPS = (0.36, 0.135, 0.12)
MOUTH = (0.16, 0.045, 0.04)
GUMS = (0.38, 0.13, 0.12)
TEETH = (0.68, 0.62, 0.50)
EYEBALL = (0.66, 0.62, 0.58)
IRIS = (0.13, 0.085, 0.05)
PUPIL = (0.006, 0.006, 0.006)
