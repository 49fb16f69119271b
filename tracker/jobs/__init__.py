"""The offline commands: each a frozen dataclass of options with `run()`, collected by `mien.py`."""
