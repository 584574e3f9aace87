"""A cast that is left out goes with all that means nothing without it, and nothing else."""

from __future__ import annotations

import pytest

from tests.fixing.scripts.mended import FLUX, body

CASTS = {
    "a statement": ("pipe.vae.to(torch.float16)\n", ""),
    "with a comment": ("pipe.vae.to(torch.float16)  # no NaN\n", "# no NaN\n"),
    "half": ("pipe.vae.half()\n", ""),
    "a device beside it": ('pipe.vae.to("cuda", torch.float16)\n', 'pipe.vae.to("cuda")\n'),
    "a device behind it": ('pipe.vae.to(dtype=torch.float16, device="cuda")\n', 'pipe.vae.to(device="cuda")\n'),
    "assigned to itself": ("pipe.vae = pipe.vae.to(torch.float16)\n", ""),
    "assigned elsewhere": ("vae = pipe.vae.to(torch.float16)\n", "vae = pipe.vae\n"),
    "alone in a block": ("if True:\n    pipe.vae.to(torch.float16)\n", "if True:\n    pass\n"),
    "behind a colon": ("if True: pipe.vae.to(torch.float16)\n", "if True: pass\n"),
    "one of two on a line": ("pipe.vae.to(torch.float16); x = 1\n", "pass; x = 1\n"),
    "in a chain over lines": (
        'vae = (\n    pipe.vae\n    .to("cuda")\n    .half()\n    .eval()\n)\n',
        'vae = (\n    pipe.vae\n    .to("cuda")\n    .eval()\n)\n',
    ),
    "over lines": ("pipe.vae.to(\n    torch.float16,\n)\n", ""),
}


@pytest.mark.parametrize("name", CASTS)
def test_a_cast_is_left_out_with_what_means_nothing_without_it(name: str) -> None:
    before, then = CASTS[name]
    assert body(FLUX + before + 'pipe("a cat")\n') == FLUX + then + 'pipe("a cat")\n'
