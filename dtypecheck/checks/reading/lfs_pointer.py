"""A Git-LFS pointer stands where the file should be."""

from __future__ import annotations

from ...read.header import LFS_POINTER
from ..problem import OfKind


class LfsPointer(OfKind):
    """A Git-LFS pointer stands where the file should be.

    The repository was cloned without git-lfs, or copied by something that does not know it. Loading raises
    `header too large` or `invalid load key, 'v'`.

    ```bad
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: lfs 334643268
    ```

    ```good
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```
    """

    code = "DT005"
    severity = "error"
    kind = LFS_POINTER
    remedy = "git lfs pull, or download it with huggingface-cli download"
