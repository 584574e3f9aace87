"""A text that a file holds, made fit for a message: one short printable line, whatever was in it."""

from __future__ import annotations


def shown(text: str, most: int = 100) -> str:
    """The text without control characters (an escape sequence could rewrite a terminal), cut to `most` characters."""
    line = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text[:most])
    return line + "..." * (len(text) > most)
