"""How a head is followed: landmarks, the solver, and the offline jobs. May import `models` and `render`."""
