"""How long a rehearsal of a full-size pipeline takes, and how much memory: python tests/benchmarks/rehearse.py [MODEL_DIR...]

Without folders the fixtures of SDXL, SD3, Flux, CogVideoX and Wan, and those with the layer counts of CogVideoX 5B and Wan 14B,
are laid out. What a user would do instead is to download the weights and run: the table gives their bytes. The last column is
the time against importing diffusers alone, which nobody who runs a pipeline is spared.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CASES = ("sdxl", "sd3-medium", "flux-dev", "cogvideox-2b", "wan-t2v-1.3b")
LARGER = {
    "cogvideox-5b": ("cogvideox-2b", {"num_layers": 42, "num_attention_heads": 48, "use_rotary_positional_embeddings": True}),
    "wan-t2v-14b": ("wan-t2v-1.3b", {"num_layers": 40, "num_attention_heads": 40, "ffn_dim": 13824}),
}
"""Fixtures with the figures of the published larger transformers in their config."""


def measured(words: list[str]) -> tuple[float, float, str]:
    """Seconds and peak memory in MB of a process, and its output."""
    before = time.monotonic()
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    output = process.stdout.read() if process.stdout else ""
    _, _, usage = _wait(process.pid)
    return time.monotonic() - before, usage.ru_maxrss / 1000, output


def _wait(pid: int) -> tuple[int, int, resource.struct_rusage]:
    import os

    return os.wait4(pid, 0)


def enlarged(folder: Path, case: str, changes: dict[str, object]) -> Path:
    """A copy of a fixture's configs with another transformer."""
    import shutil

    place = folder / "larger" / case
    shutil.copytree(folder / LARGER[case][0], place, ignore=shutil.ignore_patterns("*.safetensors", "*.bin", "*.index.json"))
    config = place / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | changes))
    return place


def main(given: list[str]) -> None:
    """Lay out, rehearse, print the table."""
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(word) for word in given]
        if not places:
            subprocess.run(
                [sys.executable, str(ROOT / "fixtures/lay_out.py"), folder, *CASES], check=True, stdout=subprocess.DEVNULL
            )
            places = [Path(folder) / case for case in CASES]
            places += [enlarged(Path(folder), case, changes) for case, (_, changes) in LARGER.items()]
        imports, memory, _ = measured(["-c", "import torch, diffusers, transformers; diffusers.DiffusionPipeline"])
        print(f"{'':24}{'verdict':>9}{'seconds':>9}{'MB':>7}{'weights':>10}{'imports':>9}")
        print(f"{'import diffusers':24}{'':>9}{imports:>9.1f}{memory:>7.0f}{'':>10}{1:>9.1f}")
        for place in places:
            for dtype in ("bfloat16", "float16,vae=float32"):
                words = ["-m", "dtypecheck", "rehearse", str(place), "--dtype", dtype, "--output-format", "json"]
                seconds, memory, output = measured(words)
                said = json.loads(output)["rehearsal"]
                nbytes = (said["peak_weight_bytes"] or 0) / 1e9
                name = f"{place.name} {dtype.partition(',')[0][:8]}{'+vae' if ',' in dtype else ''}"
                print(f"{name:24}{said['verdict']:>9}{seconds:>9.1f}{memory:>7.0f}{nbytes:>7.1f} GB{seconds / imports:>9.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])
