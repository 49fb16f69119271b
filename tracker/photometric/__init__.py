"""What pixels tell beyond landmarks: the person's albedo and texture, the room's light, and finer shape and motion.

albedo      what skin may look like: a Gaussian process over the head, and lips and brows
statistical albedo from statistics of other people's skins, where there are any
view        a picture, cut out around its head, and what of the mesh is seen in it
light       light and albedo from pictures, by turns, each step in closed form
atlas       the head's texture as texels that know their place on the mesh, and their mirror
unwrap      pictures laid out on the atlas, blended into one texture
surface     the face's skin posed, and how every unknown moves its points and normals
refine      Gauss-Newton steps on pixels and landmarks together
fit         a picture, or a frame of a video, fitted with them
keyframes   which frames of a video a texture is made of
texture     all of these together, in slices
skin        the same beside the tracking, in the background of a live session

Colours are linear unless a name says `shown`: then they are as a screen shows them, `linear ** (1 / GAMMA)`.
"""
