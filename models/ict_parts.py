"""What is where in ICT-FaceKit's vertex list, as the kit's readme has it."""

FILE_VERTICES, VERTICES, FILE_TRIANGLES = 26719, 24591, 52220  # of the file; of it kept

# Vertices of each part, as the kit's readme lists them.
PARTS = {
    "face": range(9409),
    "head": range(9409, 11248),
    "mouth_bag": range(11248, 13294),
    "socket_left": range(13294, 13678),
    "socket_right": range(13678, 14062),
    "gums": range(14062, 17039),
    "teeth_upper": range(17039, 19247),
    "teeth_lower": range(19247, 21451),
    "eyeball_left": range(21451, 23021),
    "eyeball_right": range(23021, 24591),
}
SHELLS = (range(21451, 22221), range(23021, 23791))  # each eyeball's outer shell, with the cornea's bulge
