"""A script asks for a dtype that the device it will run on lacks, or only emulates."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.scripts import Call
from ..files.device_lacks_dtype import SAYS, SEVERITY

_HOW = {"load": "loaded", "cast": "put", "moves": "moved there", "tensor": "made"}


class DeviceLacksDtypeAsked(Rule):
    """A script asks for a dtype that the device it will run on lacks, or only emulates.

    Absent is an error: operators raise. Emulated (bf16 on a T4) runs, slowly and without some kernels: a warning. Slow is a note.
    Nothing is said without --device, but of a move to mps, which has no fp64 and no fp8, and nothing where the dtype hangs on what the
    script asks of the device.

    ```bad
    $ --device t4
    serve.py: |
        import torch
        from diffusers import FluxPipeline

        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.bfloat16)
    ```

    ```bad
    serve.py: |
        import torch
        from diffusers import UNet2DConditionModel

        unet = UNet2DConditionModel.from_pretrained("x", subfolder="unet", torch_dtype=torch.float16).to("mps")
        positions = torch.linspace(0, 1, 64, dtype=torch.float64).to("mps")
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import UNet2DConditionModel

        unet = UNet2DConditionModel.from_pretrained("x", subfolder="unet", torch_dtype=torch.float16).to("mps")
        positions = torch.linspace(0, 1, 64, dtype=torch.float64).to("cpu")
        shared = torch.linspace(0, 1, 64, dtype=torch.float64).float().to("mps")
    ```

    ```good
    $ --device t4
    serve.py: |
        import torch
        from diffusers import FluxPipeline

        dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=dtype)
        other = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.float32)
    ```
    """

    code = "DT225"
    severity = "warning"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a call that loads or casts a model or pipeline."""
        named = _named(call)
        made, name = (call.target if call.means == "moves" else call.result), named or call.script.device
        row = known.row("devices", name) if name else {}
        if not row or not name or made is None or call.means not in _HOW:
            return
        if not named and (call.means not in ("load", "cast") or made.kind not in ("model", "pipeline")):
            return
        for case, dtype in made.dtype.dtypes():
            how = row.get(dtype.name, "native")
            if how == "native" or case - call.case or (how == "absent" and dtype.bits < 16 and not named):
                continue  # fp8 that is stored and cast raises nothing
            if named and how != "absent":
                continue  # who names a device in the script knows what it is good for
            yield self.finding(
                call.where,
                f"{name} {SAYS[how]} {dtype.short}, in which {made.klass or made.label} is {_HOW[call.means]}",
                severity=SEVERITY[how],
                because=str(row.get("why", {}).get(dtype.name, "")),
                source=f"{name} {dtype.name} {call.source}",
            )
            return


def _named(call: Call) -> str:
    """`mps` where the call itself puts something there."""
    if call.means not in ("moves", "cast", "tensor"):
        return ""
    place = call.argument("device", position=0 if call.means != "tensor" else None)
    text = place.value.text if place else None
    return "mps" if text is not None and text.partition(":")[0] == "mps" else ""
