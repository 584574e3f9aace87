"""Scripts are read without being run: what stays unknown stays unknown, what is known is known under its condition."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

import pytest

from dtypecheck.dtypes import BF16, F16, F32, DType
from dtypecheck.files import Memory
from dtypecheck.knowledge import Knowledge
from dtypecheck.read.scripts import BROKEN_SCRIPT, ScriptReader
from dtypecheck.request import make
from dtypecheck.subjects import Problem
from dtypecheck.subjects.cases import UNKNOWN, words
from dtypecheck.subjects.scripts import Call, Script, Thing

KNOWN = Knowledge()
REQUEST = make(None, None, None, ["diffusers==0.42.1", "transformers==5.23.0"], KNOWN)
HEAD = """\
import torch
import diffusers as d
from diffusers import AutoencoderKL, DiffusionPipeline, FluxPipeline, StableDiffusionXLPipeline as SDXL
from torch import bfloat16, float16 as f16
"""


def read_bytes(content: bytes, arguments: Sequence[str] = (), name: str = "s.py") -> tuple[Script | None, tuple[Problem, ...]]:
    files = Memory({name: content})
    return ScriptReader(files, KNOWN, REQUEST).read(next(iter(files.entries())), arguments)


def read(text: str, *arguments: str, head: str = HEAD) -> Script:
    script, problems = read_bytes((head + dedent(text)).encode(), arguments)
    assert script is not None
    assert problems == ()
    return script


def made(script: Script, name: str = "AutoencoderKL") -> Thing:
    """What the last call that loads gave."""
    found = [call.result for call in script.calls if call.means == "load" and call.result]
    return [thing for thing in found if thing.klass == name][-1]


def dtypes(thing: Thing) -> set[DType | None]:
    return {content if isinstance(content, DType) else None for _, content in thing.dtype.ways}


def vae(argument: str, before: str = "", *arguments: str) -> set[DType | None]:
    """The dtypes of a VAE that is loaded with `torch_dtype=argument`."""
    return dtypes(made(read(f"{before}\nvae = AutoencoderKL.from_pretrained('x', torch_dtype={argument})\n", *arguments)))


# what is no script of ours


@pytest.mark.parametrize("text", ["", "print('hello')\n", "x = 1\n" * 500])
def test_a_file_that_names_none_of_the_libraries_is_not_parsed(text: str) -> None:
    assert read_bytes(text.encode() + b"\n(((") == (None, ())


def test_a_file_about_torch_that_names_no_half_dtype_and_loads_nothing_is_not_parsed() -> None:
    assert read_bytes(b"import torch\nx = torch.zeros(3)\n(((") == (None, ())


@pytest.mark.parametrize(
    "content",
    [
        b"import torch\nprint 'half', torch.float16\n",
        b"from torch import float16\ndef f(:\n",
        b"torch.float16\n\x00\n",
        b"torch.float16\n" + b"(" * 5000 + b")" * 5000,
        b"x = torch.float16" + b"+1" * 60_000,
        b"# -*- coding: no-such-thing -*-\ntorch.float16\n",
        b"torch.float16 = '\xff\xfe'\n",
        b"\xff\xfet\x00o\x00r\x00c\x00h\x00 torch float16",
    ],
    ids=["python 2", "syntax", "null byte", "parentheses", "a long sum", "unknown encoding", "not utf-8", "utf-16"],
)
def test_what_cannot_be_parsed_is_told_and_never_raised(content: bytes) -> None:
    _, problems = read_bytes(content)
    assert [problem.kind for problem in problems] == [BROKEN_SCRIPT]


def test_a_deeply_nested_script_does_not_end_ours() -> None:
    deep = "x = torch.float16\n" + "".join("    " * n + "if x:\n" for n in range(90)) + "    " * 90 + "pass\n"
    script, problems = read_bytes(("import torch\n" + deep).encode())
    assert script is not None
    assert problems == ()


def test_functions_that_call_each_other_over_and_over_come_to_an_end() -> None:
    names = [f"f{n}" for n in range(12)]
    bodies = "".join(f"def {a}(x):\n    {b}(x); {b}(x); {b}(x); {b}(x)\n" for a, b in pairwise(names))
    script = read(bodies + "def f11(x):\n    return f0(x.half())\nf0(torch.float16)\n")
    assert script.calls == ()


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"# coding: latin-1\n"], ids=["plain", "BOM", "latin-1"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_lines_and_columns_hold_for_every_encoding_and_line_end(start: bytes, end: bytes) -> None:
    letter = b"\xe9" if b"latin" in start else "é".encode()
    lines = [
        b"from diffusers import AutoencoderKL",
        b"\tx = 1" if False else b"# " + letter,
        b"s = '" + letter + b"'; vae = AutoencoderKL.from_pretrained('",
    ]
    content = start + end.join(lines) + letter + b"', torch_dtype=None)" + end
    script, problems = read_bytes(content)
    assert script is not None
    assert problems == ()
    call = script.calls[0]
    assert script.text(call.span) == "AutoencoderKL.from_pretrained('é', torch_dtype=None)"
    assert [script.text(argument.span) for argument in call.arguments] == ["'é'", "torch_dtype=None"]
    assert script.text(call.arguments[1].inner) == "None"


# what a dtype is


@pytest.mark.parametrize(
    ("argument", "dtype"),
    [
        ("torch.float16", F16),
        ("torch.half", F16),
        ("f16", F16),
        ("bfloat16", BF16),
        ("getattr(torch, 'bfloat16')", BF16),
        ("{'fp16': torch.float16}['fp16']", F16),
        ("dict(a=torch.bfloat16).get('a')", BF16),
        ("(torch.float16, 1)[0]", F16),
        ("torch.float16 if True else torch.float32", F16),
        ("None", F32),
        ("'float16'", F32),
        ("whatever", None),
        ("torch.get_default_dtype()", None),
    ],
)
def test_a_dtype_is_found_through_its_spelling(argument: str, dtype: DType | None) -> None:
    assert vae(argument) == {dtype}


def test_a_choice_gives_each_dtype_under_its_condition() -> None:
    thing = made(
        read(
            "dtype = f16 if torch.cuda.is_available() else torch.float32\n"
            "vae = AutoencoderKL.from_pretrained('x', torch_dtype=dtype)\n"
        )
    )
    found = {words(case): content for case, content in thing.dtype.ways}
    assert found == {"torch.cuda.is_available()": F16, "not torch.cuda.is_available()": F32}


def test_a_chain_of_branches_gives_each_dtype_once() -> None:
    before = """
    kind = input()
    dtype = torch.float32
    if kind == "fp16":
        dtype = torch.float16
    elif kind == "bf16":
        dtype = torch.bfloat16
    """
    assert vae("dtype", dedent(before)) == {F16, BF16, F32}


def test_what_hangs_on_the_same_condition_is_not_mixed() -> None:
    script = read("""
    kind = input()
    if kind == "fp16":
        one = f16
    else:
        one = bfloat16
    if kind == "fp16":
        other = AutoencoderKL.from_pretrained("x", torch_dtype=one)
    """)
    assert dtypes(made(script)) == {F16}


def test_a_name_that_changed_in_between_is_another_condition() -> None:
    script = read("""
    cuda = input()
    one = f16 if cuda else bfloat16
    cuda = input()
    if cuda:
        vae = AutoencoderKL.from_pretrained("x", torch_dtype=one)
    """)
    assert dtypes(made(script)) == {F16, BF16}


def test_a_branch_that_raises_is_left_out() -> None:
    before = """
    kind = input()
    if kind == "fp16":
        dtype = f16
    elif kind == "bf16":
        dtype = bfloat16
    else:
        raise ValueError(kind)
    """
    assert vae("dtype", dedent(before)) == {F16, BF16}


@pytest.mark.parametrize(("words_given", "dtype"), [((), F32), (("--precision", "fp16"), F16), (("--precision=bf16",), BF16)])
def test_argparse_takes_the_words_after_the_script_else_its_default(words_given: tuple[str, ...], dtype: DType) -> None:
    before = dedent("""
    import argparse
    def parse():
        parser = argparse.ArgumentParser()
        parser.add_argument("-p", "--precision", default="fp32", choices=["fp32", "fp16", "bf16"])
        parser.add_argument("--required", required=True)
        parser.add_argument("--fast", action="store_true")
        return parser.parse_args()
    args = parse()
    DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
    dtype = DTYPES[args.precision]
    """)
    assert vae("dtype", before, *words_given) == {dtype}


def test_a_required_option_that_was_not_given_is_unknown() -> None:
    before = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--d', required=True)\nargs = p.parse_args()\n"
    assert vae("getattr(torch, args.d)", before) == {None}
    assert vae("getattr(torch, args.d)", before, "--d", "half") == {F16}


# functions, classes, loops


def test_a_function_gives_what_its_arguments_and_defaults_make_of_it() -> None:
    script = read("""
    def load(name, dtype=torch.float16, **rest):
        return AutoencoderKL.from_pretrained(name, torch_dtype=dtype, **rest)
    one = load("a")
    two = load("b", dtype=bfloat16, subfolder="vae")
    """)
    first, second = script.calls
    assert (first.result and first.result.dtype.dtype, second.result and second.result.dtype.dtype) == (F16, BF16)
    assert first.where.line == second.where.line == 7
    found = second.argument("subfolder")
    assert found is not None
    assert found.value.text == "vae"
    assert found.starred


def test_a_function_that_nobody_calls_is_read_with_unknowns() -> None:
    script = read("def load(dtype=torch.float16):\n    return AutoencoderKL.from_pretrained('x', torch_dtype=dtype)\n")
    assert dtypes(made(script)) == {None}


def test_an_object_of_the_script_remembers_what_its_constructor_made() -> None:
    script = read("""
    class Server:
        dtype = torch.float16
        def __init__(self):
            self.pipe = FluxPipeline.from_pretrained("x", torch_dtype=self.dtype)
        def run(self, prompt):
            return self.pipe(prompt).images
    """)
    assert [(thing.name, thing.dtype.dtype, number is not None) for thing, number in script.pipelines] == [
        ("self.pipe", F16, True)
    ]


def test_a_loop_over_known_things_is_run_for_each() -> None:
    script = read("""
    a = AutoencoderKL.from_pretrained("a")
    b = AutoencoderKL.from_pretrained("b")
    for model in (a, b):
        model.to("cuda", dtype=torch.bfloat16)
    """)
    casts = [call for call in script.calls if call.means == "cast"]
    assert [call.result and call.result.dtype.dtype for call in casts] == [BF16, BF16]


def test_a_loop_that_may_not_run_leaves_both() -> None:
    script = read("""
    a = AutoencoderKL.from_pretrained("a")
    for _ in things():
        a.half()
    a.numpy
    a.to("cuda:0")
    a.bfloat16()
    """)
    assert dtypes(script.calls[-1].target or Thing(0, "")) == {F16, F32}


def test_what_is_given_to_code_nobody_knows_is_unknown_after_it() -> None:
    script = read("""
    from elsewhere import optimise
    vae = AutoencoderKL.from_pretrained("a")
    print(vae)
    vae.half()
    optimise(vae)
    vae.bfloat16()
    """)
    before = [call.target for call in script.calls if call.means == "cast"]
    assert [dtypes(thing) for thing in before if thing] == [{F32}, {None}]


def test_a_loop_that_casts_parameters_one_by_one_leaves_the_model_unknown() -> None:
    script = read(
        "vae = AutoencoderKL.from_pretrained('a')\nfor p in vae.parameters():\n    p.data = p.data.half()\nvae.bfloat16()\n"
    )
    target = script.calls[-1].target
    assert target is not None
    assert dtypes(target) == {None}


# models and pipelines


def test_a_part_of_a_pipeline_has_the_dtype_that_was_asked_for_it() -> None:
    script = read("""
    pipe = SDXL.from_pretrained("x", torch_dtype={"vae": torch.float32, "default": f16})
    pipe.vae.to("cuda", dtype=None)
    pipe.unet.bfloat16()
    pipe.vae.bfloat16()
    """)
    unet, last = (call.target for call in script.calls if call.means == "cast" and call.what == ".bfloat16")
    assert unet is not None
    assert last is not None
    assert (unet.klass, unet.dtype.dtype) == ("UNet2DConditionModel", F16)
    assert last.name == "pipe.vae"


def test_casting_a_pipeline_casts_the_parts_that_were_put_in() -> None:
    script = read("""
    vae = AutoencoderKL.from_pretrained("x")
    pipe = SDXL.from_pretrained("x", vae=vae)
    pipe.to("cuda", torch.float16)
    pipe("a cat")
    """)
    ((pipe, number),) = script.pipelines
    part = pipe.part("vae")
    assert number is not None
    assert part is not None
    assert (pipe.dtype.dtype, part.dtype.dtype) == (F16, F16)


def test_a_class_of_another_module_with_a_known_name_is_not_taken_for_the_library_s() -> None:
    script = read(
        "from .mine import FluxPipeline\npipe = FluxPipeline.from_pretrained('x', torch_dtype=f16)\n",
        head="import torch\nfrom torch import float16 as f16\n",
    )
    assert [call.result and call.result.klass for call in script.calls] == [None]


def test_a_tensor_s_dtype_follows_it() -> None:
    script = read("""
    x = torch.randn(2, 3, dtype=f16)
    y = (x * 2 + torch.zeros(3)).reshape(6).cpu()
    y.numpy()
    x.to(y.device).numpy()
    torch.zeros_like(x).to(bfloat16).numpy()
    """)
    found = [call.target and call.target.dtype.dtype for call in script.calls if call.means == "numpy"]
    assert found == [F32, F16, BF16]


def test_a_region_of_autocast_surrounds_the_calls_in_it_only() -> None:
    script = read("""
    vae = AutoencoderKL.from_pretrained("x")
    with torch.no_grad(), torch.autocast("cuda"):
        vae.decode(1)
    vae.decode(2)
    """)
    inside, outside = (call for call in script.calls if call.means == "decode")
    assert [thing.dtype.dtype for thing in inside.around] == [F16]
    assert outside.around == ()


def test_a_call_that_is_known_only_in_part_keeps_what_it_knows() -> None:
    script = read("options = json.load(open('x'))\nvae = AutoencoderKL.from_pretrained('x', **options)\n")
    thing = made(script)
    assert thing.dtype.single is UNKNOWN
    assert thing.repo.text == "x"


# notebooks


def notebook(*cells: str | list[str]) -> bytes:
    made_cells = [{"cell_type": "code", "source": cell} for cell in cells]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": "# torch.float16"}, *made_cells]}).encode()


def test_a_notebook_is_one_script_whose_calls_know_their_cell() -> None:
    content = notebook(
        ["%%time\n", "!pip install \\\n", "  diffusers\n", "import torch\n", "from diffusers import AutoencoderKL\n"],
        "%matplotlib inline\nfiles = !ls\nvae = AutoencoderKL.from_pretrained('x', torch_dtype=torch.float16)\nvae?",
        "%%bash\nif then torch.float16",
        "await x\nvae.to(torch.bfloat16);",
    )
    script, problems = read_bytes(content, name="n.ipynb")
    assert script is not None
    assert problems == ()
    assert [(str(call.where), call.means) for call in script.calls] == [
        ("n.ipynb cell 3:3", "load"),
        ("n.ipynb cell 5:2", "cast"),
    ]
    assert script.line(script.calls[0].where) == "vae = AutoencoderKL.from_pretrained('x', torch_dtype=torch.float16)"


@pytest.mark.parametrize("line", ["pip install diffusers torch ", "conda install -c x torch", "pip uninstall -y transformers"])
def test_a_shell_command_that_a_notebook_takes_without_a_sign_is_no_syntax_error(line: str) -> None:
    script, problems = read_bytes(notebook(line, "import torch\nx = torch.zeros(2).half()\n"), name="n.ipynb")
    assert script is not None
    assert problems == ()
    assert [str(call.where) for call in script.calls][-1] == "n.ipynb cell 3:2"


def test_a_broken_cell_is_told_and_the_others_are_read() -> None:
    script, problems = read_bytes(notebook("import torch; torch.float16\n(", "x = torch.randn(2)"), name="n.ipynb")
    assert script is not None
    assert [(str(problem.where), problem.kind) for problem in problems] == [("n.ipynb cell 2:2", BROKEN_SCRIPT)]
    assert len(script.calls) == 1


@pytest.mark.parametrize(
    "content", [b"{torch.float16", b"[" * 100_000 + b"torch.float16", b'{"cells": 3, "x": "torch.float16"}', b'["torch.float16"]']
)
def test_a_notebook_that_is_none_is_told_and_never_raised(content: bytes) -> None:
    script, problems = read_bytes(content, name="n.ipynb")
    assert script is None
    assert {problem.kind for problem in problems} <= {BROKEN_SCRIPT}


# everything there is


def test_every_file_of_this_project_can_be_read() -> None:
    root = Path(__file__).resolve().parents[2]
    count = 0
    for path in sorted((root / "dtypecheck").rglob("*.py"))[::6]:
        _, problems = read_bytes(path.read_bytes())
        assert problems == (), path
        count += 1
    assert count > 40


def test_a_call_knows_its_script_only_while_somebody_holds_that() -> None:
    script = read("vae = AutoencoderKL.from_pretrained('x')\n")
    call: Call = script.calls[0]
    assert call.script is script
    assert call.source == "AutoencoderKL.from_pretrained('x')"
    del script
    with pytest.raises(LookupError):
        _ = call.script
