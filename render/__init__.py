"""How a head is drawn: one rasteriser interface, its backends, and shading. May import `models` alone."""
