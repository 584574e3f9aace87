"""The pictures of the README, made of real runs on a terminal: `python tests/pictures.py` writes them anew into .github/."""

from __future__ import annotations

import fcntl
import html
import io
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
COLUMNS: Final = 132
PICTURES: Final = {
    "scan": "dtypecheck scan sdxl --dtype float16,vae=float32",
    "gate": "dtypecheck gate sdxl serve.py --device t4",
}
"""Name of a picture and the command that it shows, run where the fixtures are laid out."""
SCRIPT: Final = """\
import torch
from diffusers import StableDiffusionXLPipeline

pipe = StableDiffusionXLPipeline.from_pretrained("sdxl", torch_dtype=torch.float16, variant="fp16")
pipe.vae.to(torch.bfloat16)
pipe.to("cuda")
pipe("a cat").images[0].save("cat.png")
"""
"""serve.py."""


def printed(command: str, folder: Path) -> str:
    """What a command prints on a terminal, escape codes and all."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    words = [sys.executable, "-m", "dtypecheck", *shlex.split(command)[1:]]
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    (folder / "serve.py").write_text(SCRIPT)
    with subprocess.Popen(words, cwd=folder, stdout=theirs, stderr=subprocess.DEVNULL, env=environment) as process:
        os.close(theirs)
        parts = []
        while part := _read(ours):
            parts.append(part)
        process.wait(timeout=120)
    os.close(ours)
    return b"".join(parts).decode().replace("\r\n", "\n")


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 1 << 16)
    except OSError:  # Linux says so where the other end is closed
        return b""


def svg(command: str, text: str) -> str:
    """A picture of a terminal in which the command was typed and printed the text."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.assemble(("$ ", "dim"), (command, "bold")))
    for line in text.splitlines():
        console.print(Text.from_ansi(line), soft_wrap=False)
    return console.export_svg(title=command, unique_id="dtypecheck")


def words(picture: str) -> list[str]:
    """What is to be read in a picture, word by word, wherever its lines break."""
    return html.unescape(" ".join(re.findall(r"<text [^>]*>([^<]*)</text>", picture))).replace("\xa0", " ").split()


def main() -> None:
    """Write every picture."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(ROOT / "fixtures" / "lay_out.py"), folder, "sdxl"], check=True, timeout=300)
        for name, command in PICTURES.items():
            (ROOT / ".github" / f"{name}.svg").write_text(svg(command, printed(command, Path(folder))))


if __name__ == "__main__":
    main()
