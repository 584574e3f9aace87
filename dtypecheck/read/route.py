"""Which modules an exception came through, told by the lines of code in its traceback: `self.unet(`, `self.time_embedding(`.

A line calls a module when the frame after it is torch's own `Module.__call__`. A module that the line only knows by the name of
a loop's variable stands in angle brackets: its place in the list is not in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from .trace import Frame

_CALL: Final = ("/torch/nn/modules/module.py", "/torch/_dynamo/eval_frame.py")
_CALLEE: Final = re.compile(r"(?<![\w.\])])((?:[A-Za-z_]\w*)(?:\.[A-Za-z_]\w*|\[[\w\"' ]+\])*)\(")
_METHODS: Final = (
    *("encode", "decode", "forward", "generate", "tiled_encode", "tiled_decode", "encode_image", "encode_text"),
    *("get_text_features", "get_image_features", "get_prompt_embeds", "quantize"),
)
"""Methods by which a pipeline calls a component besides calling it."""
_NOT_MODULES: Final = (
    *("super", "F", "torch", "nn", "np", "checkpoint"),
    *("len", "range", "isinstance", "print", "list", "tuple", "str"),
)
_OPERATOR: Final = re.compile(r"\b(?:F|torch|nn\.functional|torch\.nn\.functional|torch\._C\._nn)\.([a-z_]\w*)\(")
_WHERE_COMPONENTS_ARE: Final = ("/pipelines/", "/modular_pipelines/", "pipeline_")


@dataclass(frozen=True, slots=True)
class Route:
    """The way to where it failed. module: its path from the component on, as far as the text tells.

    operator: the function of torch that was called there. pipeline: the frame in a pipeline's code that called the component.
    script: the innermost frame of the user's own. inner: the innermost of all that is not torch's. raised: the innermost.
    """

    module: str = ""
    operator: str = ""
    pipeline: Frame | None = None
    script: Frame | None = None
    inner: Frame | None = None
    raised: Frame | None = None

    @property
    def component(self) -> str:
        """The component it is in, "" if the text does not tell."""
        return self.module.partition(".")[0].strip("<>")


NOWHERE: Final = Route()


def route(frames: Sequence[Frame]) -> Route:
    """The way that an exception's frames, outermost first, show."""
    parts: list[str] = []
    pipeline: Frame | None = None
    for number, frame in enumerate(frames):
        following = frames[number + 1] if number + 1 < len(frames) else None
        if _is_call(frame):
            continue
        calls = following is not None and _is_call(following)
        glue = any(mark in frame.path for mark in _WHERE_COMPONENTS_ARE)
        name = _called(frame, calls, glue or not frame.installed)
        if not name:
            continue
        if glue or (not frame.installed and not _inside(frame)):
            parts = []
        pipeline = frame if glue else pipeline
        parts.append(name)
    own = [frame for frame in frames if not frame.installed]
    not_torch = [frame for frame in frames if "/torch/" not in f"/{frame.path}"]
    return Route(
        ".".join(parts),
        _operator(frames),
        pipeline,
        own[-1] if own else None,
        not_torch[-1] if not_torch else None,
        frames[-1] if frames else None,
    )


def _is_call(frame: Frame) -> bool:
    return any(f"/{frame.path}".endswith(end) for end in _CALL)


def _inside(frame: Frame) -> bool:
    """True for a frame of a module's own code, which goes on with the path: `self.conv(x)` in a forward."""
    return frame.function.rpartition(".")[2] in ("forward", "__call__", "_forward") and "self." in frame.code


def _called(frame: Frame, calls: bool, outside: bool) -> str:
    """The name of the module that a line calls, "" if it calls none. outside: of code that calls components by their methods."""
    for text in filter(None, (frame.part, frame.code)):
        for callee in _CALLEE.findall(text):
            names = re.sub(r"\[[^\]]*\]", "", callee).split(".")
            if names[0] in _NOT_MODULES:
                continue
            if len(names) > 1 and names[-1] in _METHODS and (outside or calls):
                names = names[:-1]
            elif not calls:
                continue
            if names == ["self"] or names[-1] in ("_old_forward", "_call_impl", "__call__"):
                continue
            if len(names) == 1 and not outside:
                return f"<{names[0]}>"
            return ".".join(names[1:] if names[0] in ("self", "cls") else names[-1:])
    return ""


def _operator(frames: Iterable[Frame]) -> str:
    """The function of torch that the innermost line calls."""
    for frame in reversed(list(frames)):
        found = _OPERATOR.findall(frame.part or frame.code)
        if found:
            return str(found[0])
        if "/torch/" not in f"/{frame.path}":
            break
    return ""
