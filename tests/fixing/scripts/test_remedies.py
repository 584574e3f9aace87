"""What the remedies of single rules do, and where they leave a script alone and say why."""

from __future__ import annotations

from textwrap import dedent

import pytest

from dtypecheck.files import Memory
from dtypecheck.fixing.propose.case import Wish
from tests.fixing.scripts.mended import HEAD, body, codes, mend

FUNCTIONS = "import torch.nn.functional as F\n"
EDITS = {
    "DT213 a number put in by index": (
        "scores = torch.zeros(4, 4).half()\nscores[:, 0] = -2.0**30\n",
        ("-2.0**30", "torch.finfo(scores.dtype).min"),
    ),
    "DT213 a tensor full of it": (
        "mask = torch.full((4, 4), -1e9, dtype=torch.half)\n",
        ("-1e9", "torch.finfo(torch.half).min"),
    ),
    "DT219 key, value and mask at once": (
        FUNCTIONS + "q, k = torch.randn(1, 2, 8, 8).half(), torch.randn(1, 2, 8, 8)\n"
        "F.scaled_dot_product_attention(q, k, k + k, attn_mask=torch.zeros(8, 8).bfloat16())\n",
        ("q, k, k + k, attn_mask=torch.zeros(8, 8).bfloat16())", "q, k.to(q.dtype), (k + k).to(q.dtype), "
         "attn_mask=torch.zeros(8, 8).bfloat16().to(q.dtype))"),
    ),
    "DT219 a query that has no name": (
        FUNCTIONS + "k = torch.randn(1, 2, 8, 8)\nF.scaled_dot_product_attention(k.half(), k, k)\n",
        ("half(), k, k)", "half(), k.to(torch.float16), k.to(torch.float16))"),
    ),
    "DT221 an autocast, where the model is given tensors of it": (
        'model = T5EncoderModel.from_pretrained("x")\nembeds = torch.randn(1, 4, 8)\n'
        'with torch.autocast("cuda", torch.float16):\n    model(inputs_embeds=embeds)\n',
        ("torch.float16)", "torch.bfloat16)"),
    ),
    "DT221 an autocast that names no dtype": (
        'model = T5EncoderModel.from_pretrained("x")\nembeds = torch.randn(1, 4, 8)\n'
        'with torch.autocast("cuda"):\n    model(inputs_embeds=embeds)\n',
        ('autocast("cuda")', 'autocast("cuda", dtype=torch.bfloat16)'),
    ),
    "DT221 an Accelerator": (
        "from accelerate import Accelerator\naccelerator = Accelerator(mixed_precision='fp16')\n"
        'model = accelerator.prepare(T5EncoderModel.from_pretrained("x"))\n',
        ("'fp16'", "'bf16'"),
    ),
    "DT223 added in place": ("x = torch.zeros(4).half()\nx += 1e-9\n", ("1e-9", "1e-5")),
    "DT228 two half dtypes": (
        FUNCTIONS + "a, b = torch.randn(4).half(), torch.randn(4).bfloat16()\nloss = F.huber_loss(a * 2, b)\n",
        ("(a * 2, b)", "((a * 2).float(), b.float())"),
    ),
    "DT228 one that is fp32 already": (
        FUNCTIONS + "a, b = torch.randn(4).half(), torch.randn(4)\nloss = F.huber_loss(target=b, input=a)\n",
        ("input=a", "input=a.float()"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_a_finding_is_answered_by_the_smallest_edit(name: str) -> None:
    text, (old, new) = EDITS[name]
    assert name.split()[0] in codes(Memory({"s.py": (HEAD + text).encode()}))
    assert body(text) == text.replace(old, new)


LEFT = {
    "DT219 a mask that may be bool": (
        FUNCTIONS + "q = torch.randn(1, 2, 8, 8).half()\nmask = torch.zeros(8, 8, dtype=torch.bfloat16 if x else torch.bool)\n"
        "F.scaled_dot_product_attention(q, q, q, attn_mask=mask)\n",
        "no edit",
    ),
    "DT221 arguments that name both": (
        "from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, T5ForConditionalGeneration\n"
        'model = T5ForConditionalGeneration.from_pretrained("google/t5-v1_1-base")\n'
        'trainer = Seq2SeqTrainer(model=model, args=Seq2SeqTrainingArguments("out", fp16=True, bf16=False))\n',
        "more of fp16 and bf16",
    ),
    "DT222": ("x = torch.zeros(4).half()\nsigmas = torch.linspace(1, 0, 9, dtype=torch.half)\n", "the script does not say"),
    "DT223 a number with a name": ("eps = 1e-9\nx = torch.zeros(4).half() + eps\n", "written somewhere else"),
    "DT223 a dtype on a condition": (
        "x = torch.zeros(4, dtype=torch.half if big else torch.float32)\ny = x + 1e-9\n",
        "hangs on a condition",
    ),
    "DT224 a cast of which something is made": (
        'model = FluxTransformer2DModel.from_pretrained("x", torch_dtype=torch.bfloat16)\n'
        "small = model.to(torch.float8_e4m3fn)\nsmall(hidden_states=picture)\n",
        "what the cast gives is used",
    ),
    "DT226 something else made in the default": (
        "torch.set_default_dtype(torch.float16)\nmask = torch.zeros(4)\n",
        "line 5 makes has the default dtype",
    ),
    "DT226 a module of one's own": (
        "torch.set_default_dtype(torch.float16)\nclass Net(torch.nn.Module):\n    pass\n",
        "a class of the script",
    ),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_cannot_be_mended_for_sure_is_left_with_the_reason(name: str) -> None:
    text, why = LEFT[name]
    code = name.split()[0]
    steps, left, _ = mend(Memory({"s.py": (HEAD + dedent(text)).encode()}))
    assert not [step for step in steps if code in step.codes]
    assert [item.why for item in left if code in item.codes and why in item.why], left


DEVICE = 'pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.bfloat16)\n'


def test_a_dtype_that_the_device_lacks_becomes_fp32_and_one_that_it_emulates_what_is_asked_for() -> None:
    files = Memory({"s.py": (HEAD + DEVICE).encode()})
    steps, left, _ = mend(files, device="t4")
    assert not steps
    assert "--strategy fp16 or --strategy fp32" in left[0].why
    for strategy, spelled in (("fp16", "torch.float16"), ("fp32", "torch.float32")):
        _, _, later = mend(files, device="t4", wish=Wish(strategies=(strategy,)))
        assert later.contents["s.py"].decode() == HEAD + DEVICE.replace("torch.bfloat16", spelled)
        assert codes(later, "t4") == []
