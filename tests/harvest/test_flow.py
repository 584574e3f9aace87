"""Whose dtype a tensor gets, told from the assignments of one function."""

from __future__ import annotations

import ast
import textwrap

import pytest

from dtypecheck.harvest.flow import Flow
from dtypecheck.harvest.source import Function


def function(body: str, head: str = "def f(self, image, dtype):") -> Function:
    node = ast.parse(head + "\n" + textwrap.indent(textwrap.dedent(body), "    ")).body[0]
    assert isinstance(node, ast.FunctionDef)
    return node


def last(body: str) -> frozenset[str]:
    """The owners of the dtypes that the returned value was cast to."""
    found = function(body)
    returned = next(node for node in ast.walk(found) if isinstance(node, ast.Return))
    assert returned.value is not None
    return Flow(found).traced(returned.value)


@pytest.mark.parametrize(
    ("body", "owners"),
    [
        ("return image", set()),
        ("return image.to(self.vae.dtype)", {"vae"}),
        ("return image.to(device=d, dtype=self.vae.dtype)", {"vae"}),
        ("return image.float()", {"F32"}),
        ("return image.to(torch.bfloat16)", {"BF16"}),
        ("x = image.to(dtype)\nreturn x", {"param:dtype"}),
        ("vae_dtype = self.vae.dtype\nx = image / 2\nx = x.to(vae_dtype)\nreturn x[0]", {"vae"}),
        ("dtype = dtype or self.vae.dtype\nreturn image.to(dtype)", {"vae", "param:dtype"}),
        ("return image.to(next(iter(self.vae.post_quant_conv.parameters())).dtype)", {"vae"}),
        ("xs = [one for one in image.to(self.unet.dtype)]\nreturn torch.cat(xs)", {"unet"}),
        ("xs = []\nxs.append(image.to(self.vae.dtype))\nreturn xs", {"vae"}),
        ("return image.to(prompt_embeds.dtype)", {"prompt_embeds"}),
        ("return image.to(latents.device)", set()),
    ],
)
def test_casts_are_followed_through_names(body: str, owners: set[str]) -> None:
    assert last(body) == owners


def test_a_cast_that_hangs_on_upcasting_or_a_platform_is_not_counted() -> None:
    body = """
        if needs_upcasting:
            image = image.to(self.vae.dtype)
        elif torch.backends.mps.is_available():
            image = image.to(self.unet.dtype)
        return image
    """
    assert last(body) == set()


def test_a_component_asked_for_its_dtype_is_no_tensor_that_flows() -> None:
    assert last("mean = image.to(self.vae.dtype)\nreturn latents.to(mean.device)") == set()
