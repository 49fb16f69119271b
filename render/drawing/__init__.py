"""The live overlay on the CPU, compiled: a head is posed, rasterised, shaded and blended into a picture in one call.

Torch's operators would cost more than the arithmetic. No attribute is ever written for a whole picture: a first pass
over the triangles leaves inverse depth and triangle number in the head's rectangle, a second one lays out a row of what
the vertices are lit with and blends it at once. In its loops, a view of an array (`planes[triangle]`) costs more than a
pixel. `tests/render/test_overlay.py` holds all this to `pose_head`, the rasteriser and numpy.

head        the call: a head into a picture
posing      its vertices in the camera frame
view        where the camera sees them, and their normals
light       what they are lit with: lamps on clay, or the room's light on skin
visible     the first pass
planes      what triangles are lit with, for the second pass
blending    the second pass
texels      a skin's texture as that pass reads it
dots        landmarks
"""
