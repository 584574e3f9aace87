"""Tracebacks as text: what Python, IPython and rich print is read back, in any log, and garbage is read as nothing."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtypecheck.read.raised import chain, of
from dtypecheck.read.route import route
from dtypecheck.read.trace import Frame, Raised, decode, plain, read

PIPELINE = "diffusers/pipelines/stable_diffusion_xl/pipeline_stable_diffusion_xl.py"
SDXL = f"""\
Traceback (most recent call last):
  File "/home/me/serve.py", line 14, in <module>
    image = pipe(prompt).images[0]
            ^^^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/torch/utils/_contextlib.py", line 116, in decorate_context
    return func(*args, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/{PIPELINE}", line 1214, in __call__
    noise_pred = self.unet(
                 ^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1518, in _wrapped_call_impl
    return self._call_impl(*args, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1527, in _call_impl
    return forward_call(*args, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/diffusers/models/unets/unet_2d_condition.py", line 1112, in forward
    emb = self.time_embedding(t_emb, timestep_cond)
          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1527, in _call_impl
    return forward_call(*args, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/diffusers/models/embeddings.py", line 226, in forward
    sample = self.linear_1(sample)
             ^^^^^^^^^^^^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1527, in _call_impl
    return forward_call(*args, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/torch/nn/modules/linear.py", line 114, in forward
    return F.linear(input, self.weight, self.bias)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
RuntimeError: mat1 and mat2 must have the same dtype, but got Float and Half
"""
OLD = """\
Traceback (most recent call last):
  File "infer.py", line 30, in main
    image = vae.decode(latents / 0.18215).sample
  File "/opt/conda/lib/python3.8/site-packages/diffusers/utils/accelerate_utils.py", line 46, in wrapper
    return method(self, *args, **kwargs)
  File "/opt/conda/lib/python3.8/site-packages/diffusers/models/autoencoders/autoencoder_kl.py", line 314, in decode
    decoded = self._decode(z).sample
  File "/opt/conda/lib/python3.8/site-packages/diffusers/models/autoencoders/autoencoder_kl.py", line 283, in _decode
    z = self.post_quant_conv(z)
  File "/opt/conda/lib/python3.8/site-packages/torch/nn/modules/module.py", line 1130, in _call_impl
    return forward_call(*input, **kwargs)
  File "/opt/conda/lib/python3.8/site-packages/torch/nn/modules/conv.py", line 456, in _conv_forward
    return F.conv2d(input, weight, bias, self.stride,
RuntimeError: Input type (float) and bias type (c10::Half) should be the same
"""
RICH = """\
╭─────────────────────────────── Traceback (most recent call last) ────────────────────────────────╮
│ /kaggle/working/train.py:123 in main                                                             │
│                                                                                                  │
│   120 │   │   x = 1                                                                              │
│ ❱ 123 │   │   latents = vae.encode(batch["pixel_values"]).latent_dist.sample()                   │
│   124 │   │   y = 2                                                                              │
│                                                                                                  │
│ /opt/conda/lib/python3.10/site-packages/torch/nn/modules/conv.py:459 in _conv_forward            │
│                                                                                                  │
│   456 │   │   │   │   │   │   │   weight, bias, self.stride,                                     │
│ ❱ 459 │   │   return F.conv2d(input, weight, bias, self.stride,                                  │
╰──────────────────────────────────────────────────────────────────────────────────────────────────╯
RuntimeError: Input type (float) and bias type (c10::Half) should be the same
"""
JUPYTER = """\
---------------------------------------------------------------------------
RuntimeError                              Traceback (most recent call last)
Cell In[3], line 5
      3 pipe = make()
----> 5 image = pipe("a cat").images[0]

File ~\\venv\\lib\\site-packages\\diffusers\\models\\attention_processor.py:1259, in AttnProcessor2_0.__call__(self, attn)
   1255 value = value.view(batch_size, -1, attn.heads, head_dim).transpose(1, 2)
-> 1259 hidden_states = F.scaled_dot_product_attention(
   1260     query, key, value, attn_mask=attention_mask, dropout_p=0.0, is_causal=False

RuntimeError: cutlassF: no kernel found to launch!
"""
COMFY = """\
Error occurred when executing KSampler:

mat1 and mat2 must have the same dtype

File "E:\\ComfyUI\\execution.py", line 152, in recursive_execute
output_data, output_ui = get_output_data(obj, input_data_all)
File "E:\\ComfyUI\\comfy\\ldm\\modules\\attention.py", line 9, in forward
q = self.to_q(x)
"""


def fails(depth: int = 0) -> None:
    if depth:
        fails(depth - 1)
    raise RuntimeError("expected scalar type Half but found Float")


def fails_while_it_handles() -> None:
    try:
        fails(1)
    except RuntimeError:
        {}["missing"]


def fails_because() -> None:
    try:
        fails()
    except RuntimeError as fault:
        raise ValueError("generation failed\nin two lines") from fault


def caught(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as fault:  # noqa: BLE001 - whatever it is
        return fault
    raise AssertionError("it did not fail")


@pytest.mark.parametrize("call", [fails, lambda: fails(3), fails_while_it_handles, fails_because])
@pytest.mark.parametrize("prefix", ["", "[rank0]: ", "2026-01-02 03:04:05,678 ERROR - ", "web_1  | "])
def test_what_python_prints_is_read_as_the_exception_it_is(call: Callable[[], object], prefix: str) -> None:
    fault = caught(call)
    text = "".join(prefix + line for line in "".join(traceback.format_exception(fault)).splitlines(keepends=True))
    seen = read(plain(text))
    links = chain(fault)
    assert [raised.link for raised in seen] == [link for _, link in links]
    for raised, (one, _) in zip(seen, links, strict=True):
        meant = of(one)
        assert (raised.kind, raised.message) == (meant.kind, meant.message)
        assert [(f.path, f.line, f.function, f.code) for f in raised.frames] == [
            (f.path, f.line, f.function, f.code) for f in meant.frames
        ]


def test_the_marked_part_of_a_line_is_read() -> None:
    (raised,) = read(SDXL)
    assert [frame.part for frame in raised.frames if frame.path.endswith("serve.py")] == ["pipe(prompt)"]
    assert raised.frames[2].part == "self.unet("


def test_marks_do_not_need_to_be_there() -> None:
    (raised,) = read(OLD)
    assert raised.frames[0].code == "image = vae.decode(latents / 0.18215).sample"
    assert raised.says == "RuntimeError: Input type (float) and bias type (c10::Half) should be the same"
    assert len(raised.frames) == 6


@pytest.mark.parametrize(
    ("text", "kind", "places"),
    [
        (RICH, "RuntimeError", ["/kaggle/working/train.py:123", "torch/nn/modules/conv.py:459"]),
        (JUPYTER, "RuntimeError", ["Cell In[3]:5", "diffusers/models/attention_processor.py:1259"]),
    ],
)
def test_boxes_and_notebooks_are_read(text: str, kind: str, places: list[str]) -> None:
    (raised,) = read(plain(text))
    assert raised.kind == kind
    assert [frame.place for frame in raised.frames] == places
    assert all(frame.code for frame in raised.frames)


def test_an_older_notebook_is_read() -> None:
    text = "<ipython-input-3-0a1b> in <module>\n      1 x = 1\n----> 2 pipe(x)\n\nRuntimeError: no\n"
    (raised,) = read(text)
    assert raised.frames == (Frame("<ipython-input-3-0a1b>", None, "", "pipe(x)"),)


def test_colours_and_carriage_returns_are_gone() -> None:
    assert plain("\x1b[1;31mRuntimeError\x1b[0m: no\r\n") == "RuntimeError: no\n"
    assert plain("\x1b]8;;http://x\x07link\x1b]8;;\x07") == "link"


def test_a_log_line_that_names_an_exception_is_one_without_frames() -> None:
    (raised,) = read("12:00 ERROR request 7 failed: RuntimeError: expected scalar type Half but found Float")
    assert (raised.kind, raised.message, raised.frames) == ("RuntimeError", "expected scalar type Half but found Float", ())


def test_what_follows_a_message_does_not_belong_to_it() -> None:
    (raised,) = read("RuntimeError: one\n  two\n\nStarting again.\n")
    assert raised.message == "one\n  two"


def test_repeated_frames_do_not_end_a_traceback() -> None:
    def deeper() -> None:
        deeper()

    text = "".join(traceback.format_exception(caught(deeper)))
    assert "Previous line repeated" in text
    (raised,) = read(text)
    assert raised.kind == "RecursionError"
    assert len(raised.frames) > 3


def test_a_group_and_its_members_are_read_and_followed() -> None:
    group = ExceptionGroup("several", [caught(fails), ValueError("other")])
    assert [type(one).__name__ for one, _ in chain(group)] == ["RuntimeError", "ValueError", "ExceptionGroup"]
    text = "".join(traceback.format_exception(group))
    assert "expected scalar type Half but found Float" in [raised.message for raised in read(plain(text))]


def test_a_circle_of_causes_ends() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert len(chain(one)) == 2


def test_an_exception_that_cannot_print_itself_is_read() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert of(Broken()).kind.endswith("Broken")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_a_shell_writes_is_decoded(encoding: str) -> None:
    assert decode("RuntimeError: naïve".encode(encoding)) == "RuntimeError: naïve"


def test_a_real_process_is_read(tmp_path: Path) -> None:
    script = tmp_path / "serve.py"
    script.write_text("def main():\n    raise RuntimeError('expected scalar type Half but found Float')\n\nmain()\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=300)
    (raised,) = read(plain(done.stderr))
    assert [(frame.line, frame.function, frame.code) for frame in raised.frames] == [
        (4, "<module>", "main()"),
        (2, "main", "raise RuntimeError('expected scalar type Half but found Float')"),
    ]
    assert not any(frame.installed for frame in raised.frames)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*SDXL.splitlines(), *RICH.splitlines(), *JUPYTER.splitlines(), "", "│", "\x1b[", 'File "'])))
def test_shuffled_lines_of_tracebacks_are_never_an_error(lines: list[str]) -> None:
    for raised in read(plain("\n".join(lines))):
        assert isinstance(raised, Raised)
        route(raised.frames)


@settings(max_examples=200, deadline=None)
@given(st.binary())
def test_bytes_are_never_an_error(data: bytes) -> None:
    read(plain(decode(data)))


# which module it was


def test_the_module_is_told_by_the_lines_that_call_it() -> None:
    (raised,) = read(SDXL)
    way = route(raised.frames)
    assert (way.module, way.component, way.operator) == ("unet.time_embedding.linear_1", "unet", "linear")
    assert way.script is not None
    assert way.script.place == "/home/me/serve.py:14"
    assert way.pipeline is not None
    assert way.pipeline.place == f"{PIPELINE}:1214"
    assert way.inner is not None
    assert way.inner.place == "diffusers/models/embeddings.py:226"


def test_a_component_that_a_script_calls_by_a_method_begins_the_path() -> None:
    (raised,) = read(OLD)
    assert route(raised.frames).module == "vae.post_quant_conv"


def test_a_module_of_a_list_is_known_by_the_loops_variable_alone() -> None:
    call = Frame("/x/site-packages/torch/nn/modules/module.py", 1, "_call_impl", "return forward_call(*args, **kwargs)")
    block = Frame("/x/site-packages/diffusers/models/unets/u.py", 9, "forward", "sample = downsample_block(hidden_states=sample)")
    conv = Frame("/x/site-packages/diffusers/models/resnet.py", 9, "forward", "hidden_states = self.conv1(hidden_states)")
    glue = Frame("/x/site-packages/diffusers/pipelines/p/pipeline_p.py", 9, "__call__", "noise = self.unet(")
    assert route([glue, call, block, call, conv, call]).module == "unet.<downsample_block>.conv1"


def test_lines_that_call_no_module_tell_no_path() -> None:
    (raised,) = read(plain(JUPYTER))
    assert route(raised.frames).module == ""
    assert route(raised.frames).operator == "scaled_dot_product_attention"
    assert route(()).module == ""


def test_frames_below_the_message_are_read_without_an_exception() -> None:
    (raised,) = read(COMFY)
    assert (raised.kind, raised.message) == ("", "")
    assert [(frame.place, frame.code) for frame in raised.frames] == [
        ("E:/ComfyUI/execution.py:152", "output_data, output_ui = get_output_data(obj, input_data_all)"),
        ("E:/ComfyUI/comfy/ldm/modules/attention.py:9", "q = self.to_q(x)"),
    ]
