"""What a head is fitted to. Cheap to import: commands name these words too."""

from typing import Literal

FitMode = Literal["landmark", "photometric"]
