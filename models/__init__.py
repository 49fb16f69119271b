"""What a head is: types, rotations, cameras, and the sources of a `Head`. Imports none of the other packages."""
