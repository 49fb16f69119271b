"""How frames travel: sockets, sessions and everything `asyncio`. May import all the others; none imports it."""
