"""A loop written out as a function for the compiler of LLVM."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from .loops import Loop

WIDE: Final = 64
"""Bytes that a loop takes at a time, whatever the processor takes at once."""
_AHEAD: Final = 4096
"""Bytes from those that are looked at to those asked of the memory: the processor by itself does not look beyond a page."""

_HELD: Final = """
    %held- = alloca V
    store V V#0, ptr %held-
"""
_COUNT: Final = """
    %one- = zext M MARK to V
    %counted- = add V %old-, %one-
"""
_COUNT_SMALL: Final = """
    %old- = load V, ptr %held-
    %one- = zext M MARK to V
    %sum- = add V %old-, %one-
    store V %sum-, ptr %held-
"""
_TOTAL: Final = """
    %wide- = zext V %counted- to T
    %total- = call i64 @llvm.vector.reduce.add.vLi64(T %wide-)
    %room- = getelementptr [0 x i64], ptr %sums, i64 0, i64 NEXT
    store i64 %total-, ptr %room-
"""


def written(loop: Loop) -> str:
    """The function `loop(first byte, vectors, sums)`. sums: room for the largest magnitude and the counts, eight bytes each."""
    lanes = WIDE * 8 // loop.width
    always = tuple(enumerate(loop.counts))
    small = tuple(enumerate(loop.small_counts, len(always)))
    jump, some = "br label %more", ""
    if small:
        jump = "%any = call i1 @llvm.vector.reduce.or.vLi1(M %few)\n br i1 %any, label %some, label %more"
        some = f"some:\n {loop.small}\n {_each(small, _COUNT_SMALL)}\n br label %more"
    text = f"""
        define void @loop(ptr %first, i64 %vectors, ptr %sums) {{
        begin:
            {_each(small, _HELD)}
            br label %each
        each:
            %i = phi i64 [0, %begin], [%next, %more]
            %top = phi V [V#0, %begin], [%newtop, %more]
            {_each(always, "%old- = phi V [V#0, %begin], [%counted-, %more]")}
            %at = getelementptr V, ptr %first, i64 %i
            %ahead = getelementptr i8, ptr %at, i64 {_AHEAD}
            call void @llvm.prefetch.p0(ptr %ahead, i32 0, i32 3, i32 1)
            %bits = load V, ptr %at, align {loop.width // 8}
            {loop.always}
            %higher = icmp ugt V %size, %top
            %newtop = select M %higher, V %size, V %top
            {_each(always, _COUNT)}
            {jump}
        {some}
        more:
            %next = add i64 %i, 1
            %further = icmp ult i64 %next, %vectors
            br i1 %further, label %each, label %end
        end:
            %highest = call N @llvm.vector.reduce.umax.vLN(V %newtop)
            %highestwide = zext N %highest to i64
            store i64 %highestwide, ptr %sums
            {_each(small, "%counted- = load V, ptr %held-")}
            {_each(always + small, _TOTAL)}
            ret void
        }}
        declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
        declare i1 @llvm.vector.reduce.or.vLi1(M)
        declare N @llvm.vector.reduce.umax.vLN(V)
        declare i64 @llvm.vector.reduce.add.vLi64(T)
    """
    return _typed(text, lanes, f"i{loop.width}")


def _each(marks: Iterable[tuple[int, str]], lines: str) -> str:
    """The lines for each of the marks, by their numbers."""
    return "\n".join(
        lines.replace("-", str(number)).replace("NEXT", str(number + 1)).replace("MARK", mark) for number, mark in marks
    )


def _typed(text: str, lanes: int, number: str) -> str:
    """With types in place of their letters, and vectors in place of `V#7`."""
    for letter, each in {"V": number, "M": "i1", "W": "i32", "F": "float", "T": "i64"}.items():
        text = re.sub(rf"\b{letter}#([\d.]+)", lambda n, each=each: "<" + ", ".join([f"{each} {n[1]}"] * lanes) + ">", text)  # type: ignore[misc]
        text = re.sub(rf"\b{letter}\b", f"<{lanes} x {each}>", text)
    text = text.replace("vLN", f"v{lanes}{number}").replace("vL", f"v{lanes}")
    return re.sub(r"\bN\b", number, text)
