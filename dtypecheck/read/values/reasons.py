"""Why the numbers of a weight file were not looked at."""

from __future__ import annotations

from typing import Final

SKELETON: Final = "a skeleton, of a header alone"
TOO_LARGE: Final = "it is larger than"
