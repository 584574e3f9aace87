"""Fixes of scripts: the finding goes, and all else of the text stays as its author wrote it."""

from __future__ import annotations

import ast
import io
import json
import random
import subprocess
import sys
import tokenize
from pathlib import Path
from textwrap import dedent

import pytest

from dtypecheck import checks
from dtypecheck.edits import Splice
from dtypecheck.files import Memory
from dtypecheck.fixing.overlay import after
from dtypecheck.fixing.propose.case import Wish
from dtypecheck.fixing.scripts import REMEDIES, propose_scripts
from dtypecheck.fixing.scripts.check import scripts_checked
from dtypecheck.fixplan import FixPlan, Refused, Step
from dtypecheck.knowledge import Knowledge
from dtypecheck.request import make
from dtypecheck.rule import page, rules
from dtypecheck.scripted import Folders, scan_scripts
from dtypecheck.testing import lay_out

KNOWN = Knowledge()
REQUEST = make(None, None, None, ["diffusers==0.42.1", "transformers==5.23.0"], KNOWN)
HEAD = "import torch\nfrom diffusers import *\nfrom transformers import T5EncoderModel, CLIPTextModel\n"
XL = '"stabilityai/stable-diffusion-xl-base-1.0"'
VAE = '"madebyollin/sdxl-vae-fp16-fix"'
checks.load()


def mend(
    files: Memory, dtype: str | None = None, wish: Wish | None = None, words: tuple[str, ...] = ()
) -> tuple[list[Step], list[Refused], Memory]:
    """The steps, what is left, and the files after the steps."""
    request = make(dtype, None, None, ["diffusers==0.42.1", "transformers==5.23.0"], KNOWN)
    steps, left = propose_scripts(files, request, KNOWN, wish or Wish(), Folders(KNOWN, within=files), words)
    later = after(files, [edit for step in steps for edit in step.edits])
    changed = {step.place for step in steps}
    sizes = {name: size for name, size in files.sizes.items() if name not in changed}
    return steps, left, Memory({name: later.read(name) for name in files.contents}, "x", sizes)


def codes(files: Memory) -> list[str]:
    """What a scan finds in scripts."""
    return [finding.code for finding in scan_scripts(files, REQUEST, KNOWN, Folders(KNOWN, within=files)).counted]


def fixed(text: str, **more: str) -> str:
    """A script after its fix; a second fix changes nothing."""
    steps, _, later = mend(Memory({"s.py": text.encode()}), **more)  # type: ignore[arg-type]
    assert steps
    assert not mend(later, **more)[0]  # type: ignore[arg-type]
    return later.contents["s.py"].decode()


def body(text: str) -> str:
    """The same, below the imports."""
    return fixed(HEAD + dedent(text).strip("\n") + "\n").removeprefix(HEAD)


PAGES = [
    (rule.code, number, text)
    for rule in rules()
    if rule.code.startswith("DT2") and rule.code in REMEDIES
    for number, text in enumerate(page(rule).bad)
]


@pytest.mark.parametrize(("code", "number", "text"), PAGES, ids=[f"{code}-{number}" for code, number, _ in PAGES])
def test_every_bad_example_of_a_page_is_clean_after_its_fix(code: str, number: int, text: str) -> None:
    files = lay_out(text).files
    steps, left, later = mend(files)
    if '"auto"' in text:
        assert not steps
        assert "--dtype" in left[0].why
        steps, left, later = mend(files, dtype="bf16")
    assert [step for step in steps if code in step.codes]
    assert not left
    assert codes(later) == []
    assert mend(later)[0] == []


def test_remedies_are_for_rules_that_there_are() -> None:
    assert set(REMEDIES) <= {rule.code for rule in rules()}
    assert {f"DT{number}" for number in range(201, 217)} <= set(REMEDIES)


UGLY = (
    "\ufeff# -*- server -*-\r\n"
    "import torch  # th\r\n"
    "from diffusers import (\r\n\tAutoencoderKL,\r\n\tStableDiffusionXLPipeline,  # big\r\n)\r\n"
    "é = 'ü'; vae = AutoencoderKL.from_pretrained(\r\n"
    f'\t\t{VAE},   # the "VAE", (really)\r\n'
    "\t)\r\n"
    "if True:\r\n"
    f"\tpipe = StableDiffusionXLPipeline.from_pretrained( {XL}, vae = vae , torch_dtype = torch.half )\r\n"
    "\tprint( 'ß', pipe( 'a cat' ) ) ; x = 1"
)


def test_bom_crlf_tabs_comments_and_a_missing_last_line_end_stay() -> None:
    where = "(really)\r\n"
    assert fixed(UGLY) == UGLY.replace(where, where + "\t\ttorch_dtype=torch.half,\r\n")


LAYOUTS = {
    "on one line": ("AutoencoderKL.from_pretrained(REPO)", "AutoencoderKL.from_pretrained(REPO, torch_dtype=torch.float16)"),
    "a trailing comma on one line": (
        "AutoencoderKL.from_pretrained(REPO,)",
        "AutoencoderKL.from_pretrained(REPO, torch_dtype=torch.float16,)",
    ),
    "blanks inside": (
        "AutoencoderKL.from_pretrained( REPO )",
        "AutoencoderKL.from_pretrained( REPO, torch_dtype=torch.float16 )",
    ),
    "brackets around the argument": (
        "AutoencoderKL.from_pretrained((REPO))",
        "AutoencoderKL.from_pretrained((REPO), torch_dtype=torch.float16)",
    ),
    "a line each": (
        "AutoencoderKL.from_pretrained(\n    REPO,\n    use_safetensors=True,\n)",
        "AutoencoderKL.from_pretrained(\n    REPO,\n    use_safetensors=True,\n    torch_dtype=torch.float16,\n)",
    ),
    "a line each, no trailing comma": (
        "AutoencoderKL.from_pretrained(\n    REPO,\n    use_safetensors=True\n)",
        "AutoencoderKL.from_pretrained(\n    REPO,\n    use_safetensors=True,\n    torch_dtype=torch.float16\n)",
    ),
    "a comment behind the last one": (
        "AutoencoderKL.from_pretrained(\n    REPO  # why, (oh)\n)",
        "AutoencoderKL.from_pretrained(\n    REPO,  # why, (oh)\n    torch_dtype=torch.float16\n)",
    ),
    "a comment on a line of its own": (
        "AutoencoderKL.from_pretrained(\n    REPO,\n    # torch_dtype=torch.float16,\n)",
        "AutoencoderKL.from_pretrained(\n    REPO,\n    torch_dtype=torch.float16,\n    # torch_dtype=torch.float16,\n)",
    ),
    "hanging": (
        "AutoencoderKL.from_pretrained(REPO,\n               use_safetensors=True)",
        "AutoencoderKL.from_pretrained(REPO,\n               use_safetensors=True,\n               torch_dtype=torch.float16)",
    ),
    "closed on the last line": (
        "AutoencoderKL.from_pretrained(\n    REPO, use_safetensors=True)",
        "AutoencoderKL.from_pretrained(\n    REPO, use_safetensors=True, torch_dtype=torch.float16)",
    ),
    "over a backslash": (
        "AutoencoderKL \\\n    .from_pretrained(REPO)",
        "AutoencoderKL \\\n    .from_pretrained(REPO, torch_dtype=torch.float16)",
    ),
    "another dtype": (
        "AutoencoderKL.from_pretrained(REPO, torch_dtype = torch.float32 , use_safetensors=True)",
        "AutoencoderKL.from_pretrained(REPO, torch_dtype = torch.float16 , use_safetensors=True)",
    ),
    "in a chain": (
        'AutoencoderKL.from_pretrained(REPO).to("cuda")',
        'AutoencoderKL.from_pretrained(REPO, torch_dtype=torch.float16).to("cuda")',
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_an_argument_is_added_in_the_layout_of_its_call(name: str, newline: str) -> None:
    before, then = (text.replace("REPO", VAE).replace("\n", newline) for text in LAYOUTS[name])
    rest = f'pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, torch_dtype=torch.float16)\npipe("a cat")\n'
    rest = rest.replace("\n", newline)
    head = HEAD.replace("\n", newline)
    assert fixed(f"{head}vae = {before}{newline}{rest}") == f"{head}vae = {then}{newline}{rest}"


FLUX = 'pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.bfloat16)\n'
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


def test_several_findings_of_one_script_are_one_plan() -> None:
    text = f"""
    vae = AutoencoderKL.from_pretrained({VAE})  # 1
    net = ControlNetModel.from_pretrained("x")  # 2
    pipe = StableDiffusionXLControlNetPipeline.from_pretrained({XL}, vae=vae, controlnet=net, torch_dtype=torch.float16)
    pipe("a cat", image=image)
    scores = torch.zeros(8, 8).half()
    scores.masked_fill_(mask, -1e9)  # 3
    other = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.bfloat16)
    other.vae.half()
    other("a cat")
    """
    assert body(text) == dedent(f"""\
    vae = AutoencoderKL.from_pretrained({VAE}, torch_dtype=torch.float16)  # 1
    net = ControlNetModel.from_pretrained("x", torch_dtype=torch.float16)  # 2
    pipe = StableDiffusionXLControlNetPipeline.from_pretrained({XL}, vae=vae, controlnet=net, torch_dtype=torch.float16)
    pipe("a cat", image=image)
    scores = torch.zeros(8, 8).half()
    scores.masked_fill_(mask, torch.finfo(scores.dtype).min)  # 3
    other = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.bfloat16)
    other("a cat")
    """)


SPELLINGS = {
    "an alias of torch": ("import torch as th\n", "th.float16", "th.float16"),
    "imported by name": ("from torch import float16\n", "float16", "float16"),
    "imported under another name": ("from torch import float16 as f16\n", "f16", "f16"),
    "half": ("import torch\n", "torch.half", "torch.half"),
    "a name": ("import torch\ndtype = torch.float16\n", "dtype", "dtype"),
    "a name that hangs on a condition": (
        "import torch\ndtype = torch.float16 if torch.cuda.is_available() else torch.float32\n",
        "dtype",
        "dtype",
    ),
}


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("keyword", ["torch_dtype", "dtype"])
def test_a_dtype_is_spelled_as_the_script_spells_it(name: str, keyword: str) -> None:
    head, word, spelled = SPELLINGS[name]
    text = f"from diffusers import *\n{head}vae = AutoencoderKL.from_pretrained({VAE})\n"
    text += f'pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, {keyword}={word})\npipe("a")\n'
    assert fixed(text) == text.replace(f"{VAE})", f"{VAE}, {keyword}={spelled})")


def test_a_name_that_is_bound_later_is_not_used_before() -> None:
    text = f"vae = AutoencoderKL.from_pretrained({VAE})\ndtype = torch.float16\n"
    text += f'pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, torch_dtype=dtype)\npipe("a")\n'
    assert body(text) == text.replace(f"{VAE})", f"{VAE}, torch_dtype=torch.float16)")


def test_torch_is_imported_where_it_is_not() -> None:
    text = '"""A server."""\nfrom __future__ import annotations\n\nimport os\nfrom diffusers import DiffusionPipeline\n'
    text += f'pipe = DiffusionPipeline.from_pretrained({XL}, torch_dtype="float16")\n'
    assert fixed(text) == text.replace("import os", "import torch\nimport os").replace('"float16"', "torch.float16")


def test_a_name_of_a_dtype_is_looked_up_in_torch() -> None:
    text = 'import torch\nfrom diffusers import DiffusionPipeline\nword = "float16"\n'
    text += f"pipe = DiffusionPipeline.from_pretrained({XL}, torch_dtype=word)\n"
    assert fixed(text) == text.replace("torch_dtype=word", "torch_dtype=getattr(torch, word)")


def test_a_comment_with_a_reason_is_respected() -> None:
    text = f"{HEAD}pipe = DiffusionPipeline.from_pretrained({XL}, torch_dtype='float16')  # dtypecheck: ignore[DT202] I know\n"
    steps, left, _ = mend(Memory({"s.py": text.encode()}))
    assert not steps
    assert not left


def test_what_comes_through_stars_is_not_named_twice() -> None:
    text = f"{HEAD}vae = AutoencoderKL.from_pretrained({VAE}, **{{'use_safetensors': True}})\n"
    text += f'pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, torch_dtype=torch.float16)\npipe("a")\n'
    steps, left, _ = mend(Memory({"s.py": text.encode()}))
    assert not steps
    assert "**" in left[0].why


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"# -*- coding: latin-1 -*-\n# \xe9\n", "UTF-8"),
        ("# -*- coding: latin-1 -*-\n# é\n".encode(), "UTF-8"),
    ],
    ids=["other bytes", "bytes that UTF-8 has too"],
)
def test_a_script_in_another_encoding_is_left_alone(head: bytes, why: str) -> None:
    text = head + (HEAD + f"pipe = DiffusionPipeline.from_pretrained({XL}, torch_dtype='float16')\n").encode()
    steps, left, _ = mend(Memory({"s.py": text}))
    assert not steps
    assert why in left[0].why


def test_a_script_that_does_not_parse_is_left_alone() -> None:
    text = HEAD + f"pipe = DiffusionPipeline.from_pretrained({XL}, torch_dtype='float16'\n"
    assert mend(Memory({"s.py": text.encode()}))[0] == []


def test_a_vae_of_the_swaps_is_put_in_where_it_is_asked_for() -> None:
    vae = 'vae = AutoencoderKL.from_pretrained("stabilityai/sdxl-vae", torch_dtype=torch.float16)\n'
    text = HEAD + vae + "image = vae.decode(latents).sample\n"
    _, _, later = mend(Memory({"s.py": text.encode()}), wish=Wish(swap="sdxl_fp16_fix"))
    assert later.contents["s.py"].decode() == text.replace("stabilityai/sdxl-vae", "madebyollin/sdxl-vae-fp16-fix")
    assert codes(later) == []


CELL = [
    '# é \\u00e9 "quoted"\n',
    "!pip install diffusers\n",
    "import torch\n",
    "from diffusers import FluxPipeline\n",
    'pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.bfloat16)\n',
    "pipe.vae.half()\n",
    'pipe("a cat 😀")',
]


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("as_text", [True, False], ids=["one text", "a list"])
def test_a_notebook_is_edited_inside_its_cells(ascii_only: bool, as_text: bool) -> None:
    fill = {"cell_type": "code", "metadata": {}, "outputs": [{"data": {"image/png": "x" * 999}}], "source": "'é😀'; 1"}
    cell = {**fill, "source": "".join(CELL) if as_text else CELL}
    data = {"cells": [{"cell_type": "markdown", "source": ["# 1\n"]}, fill, cell, fill], "nbformat": 4}
    text = json.dumps(data, indent=3, ensure_ascii=ascii_only) + "\n\n"
    steps, left, later = mend(Memory({"n.ipynb": text.encode()}))
    assert [step.change for step in steps] == ["cell 3 line 6: .half() left out"]
    assert not left
    assert later.contents["n.ipynb"].decode() == text.replace("pipe.vae.half()\\n", "")
    assert codes(later) == []


def test_an_argument_is_added_in_a_notebook() -> None:
    lines = ["import torch\n", "from diffusers import *\n", "vae = AutoencoderKL.from_pretrained(\n", f"    {VAE},\n", ")\n"]
    lines += [f"pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, torch_dtype=torch.float16)\n", 'pipe("a 😀")']
    text = json.dumps({"cells": [{"cell_type": "code", "source": lines}]})
    _, _, later = mend(Memory({"n.ipynb": text.encode()}))
    new = json.loads(later.contents["n.ipynb"])["cells"][0]["source"]
    assert "".join(new) == "".join(lines).replace(f"    {VAE},\n", f"    {VAE},\n    torch_dtype=torch.float16,\n")


def comments(text: str) -> list[str]:
    """Every comment of a script."""
    tokens = tokenize.generate_tokens(io.StringIO(text, newline="").readline)
    return [token.string.rstrip("\r") for token in tokens if token.type == tokenize.COMMENT]


def laid_out(code: str, chance: random.Random, newline: str) -> str:
    """A script with the same tokens and other blanks, line ends, comments and commas between them."""
    made: list[str] = []
    depth = 0
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(code).readline) if t.type not in (tokenize.NL, tokenize.COMMENT)]
    for number, token in enumerate(tokens):
        word = token.string
        if token.type == tokenize.NEWLINE:
            made.append(chance.choice(["", "  ", "  # so, (so) é"]) + newline * chance.choice([1, 1, 1, 3]))
            continue
        if token.type in (tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER):
            continue
        if number and tokens[number - 1].end[0] != token.start[0] and token.start[1]:
            made.append("\t" if depth == 0 else "")
        if word in ")]}":
            if (
                depth
                and tokens[number - 1].string not in "([{,"
                and chance.random() < 0.3
                and word == ")"
                and _is_call(tokens, number)
            ):
                made.append(",")
            depth -= 1
        if depth and chance.random() < 0.35:
            comment = [f"  # a {number}, ){newline}   "] if tokens[number - 1].string in ("(", ",") else []
            made.append(chance.choice([" ", newline + "      ", newline + "\t", "", *comment]))
        previous = tokens[number - 1] if number else None
        if (previous and previous.type == token.type == tokenize.NAME) or (
            previous and previous.type == tokenize.NAME and token.type == tokenize.STRING
        ):
            made.append(" ")
        made.append(word)
        if word in "([{":
            depth += 1
        elif word in ("import", "from", "as", "if", "else", "for", "in", "with", "def", "return"):
            made.append(" ")
    return "".join(made)


def _is_call(tokens: list[tokenize.TokenInfo], number: int) -> bool:
    """Whether the bracket that closes at a token is that of a call with arguments, where a comma changes nothing."""
    depth = 0
    for at in range(number, -1, -1):
        depth += {")": 1, "(": -1}.get(tokens[at].string, 0)
        if depth == 0:
            return (
                tokens[at - 1].type == tokenize.NAME and tokens[at - 1].string not in ("import", "if", "in") and at + 1 < number
            )
    return False


VARIED = {
    "DT201": f"vae = AutoencoderKL.from_pretrained({VAE})\n"
    f'pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, torch_dtype=torch.float16)\npipe("a")\n',
    "DT202": f'pipe = DiffusionPipeline.from_pretrained({XL}, torch_dtype="float16", use_safetensors=True)\n',
    "DT203": f'{FLUX}pipe.vae.to("cuda", torch.float16)\npipe("a")\n',
    "DT205": 'encoder = T5EncoderModel.from_pretrained("google/t5-v1_1-xxl").half()\n',
    "DT207": "x = torch.randn(4).bfloat16()\ny = x.cpu().numpy()\n",
    "DT208": 'vae = AutoencoderKL.from_pretrained("stabilityai/sd-vae-ft-mse")\n'
    "latents = torch.randn(1, 4).half()\nvae.decode(latents / 2)\n",
    "DT211": f'pipe = StableDiffusionXLPipeline.from_pretrained({XL}, variant="fp16")\n',
    "DT213": "x = torch.zeros(8).half()\nx = x.masked_fill(x > 1, -1e9)\n",
    "DT216": 'pipe = StableDiffusionPipeline.from_pretrained("runwayml/stable-diffusion-v1-5", torch_dtype=torch.float16)\n'
    'pipe("a", latents=torch.randn(1, 4, 64, 64))\n',
}


@pytest.mark.parametrize("code", VARIED)
def test_a_fix_means_the_same_however_the_script_is_laid_out(code: str) -> None:
    plain = ast.dump(ast.parse(fixed(HEAD + VARIED[code])))
    chance = random.Random(code)
    for number in range(25):
        newline = chance.choice(["\n", "\r\n"])
        text = laid_out(HEAD + VARIED[code], chance, newline)
        ast.parse(text)
        assert code in codes(Memory({"s.py": text.encode()})), text
        then = fixed(text)
        assert ast.dump(ast.parse(then)) == plain, f"{number}:\n{text}\n->\n{then}"
        assert comments(then) == comments(text)
        assert then.count("\n") == then.count("\r\n") or newline == "\n"
        assert "\r" not in then or newline == "\r\n"


def test_a_comment_inside_of_what_would_go_is_not_lost() -> None:
    text = FLUX + "pipe.vae.to(\n    torch.float16,  # no NaN\n)\n" + 'pipe("a cat")\n'
    assert body(text) == text.replace("torch.float16", "torch.bfloat16")


def test_a_plan_that_answers_nothing_does_not_pass_the_check() -> None:
    text = HEAD + f"pipe = DiffusionPipeline.from_pretrained({XL}, torch_dtype='float16')\n"
    files = Memory({"s.py": text.encode()})
    edit = Splice("s.py", 0, 6, "import", "import")
    plan = FixPlan("s.py", (Step("s.py", "nothing", (edit,), codes=("DT202",)),))
    reasons, _ = scripts_checked(files, after(files, plan.edits), plan, REQUEST, KNOWN)
    assert reasons == ["DT202 is still there in s.py"]
    broken = Memory({"s.py": text.encode() + b"("})
    assert "parse" in scripts_checked(files, broken, plan, REQUEST, KNOWN)[0][0]


def run(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    """dtypecheck in a process of its own; `fix`, unless the first word is another verb."""
    given = [str(word) for word in words]
    verb = [] if given[0] == "undo" else ["fix"]
    return subprocess.run([sys.executable, "-m", "dtypecheck", *verb, *given], capture_output=True, check=False, timeout=300)


def test_the_command_shows_a_diff_applies_it_and_takes_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = Path("serve.py")
    script.write_bytes(UGLY.encode())
    shown = run(script, "--diff")
    assert shown.returncode == 1
    assert shown.stdout.startswith(b"--- serve.py\n+++ serve.py\n@@ ")
    assert b"\n+\t\ttorch_dtype=torch.half,\r\n" in shown.stdout
    assert script.read_bytes() == UGLY.encode()
    done = run("--apply", script)
    assert done.returncode == 0, done.stderr
    assert b"verified: scan: serve.py parses, DT201 answered, nothing new" in done.stdout
    mended = script.read_bytes()
    assert mended != UGLY.encode()
    again = run(script, "--apply")
    assert again.returncode == 0
    assert b"nothing to fix" in again.stdout
    assert script.read_bytes() == mended
    assert run("undo", script).returncode == 0
    assert script.read_bytes() == UGLY.encode()


def test_a_plan_in_a_file_is_applied_to_its_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = Path("serve.py")
    script.write_bytes(UGLY.encode())
    assert run(script, "-o", "plan.json").returncode == 1
    assert run("--apply", "plan.json").returncode == 0
    assert b"torch_dtype=torch.half,\r\n" in script.read_bytes()
    script.write_bytes(UGLY.encode() + b"\n")
    refused = run("--apply", "plan.json")
    assert refused.returncode == 1
    assert script.read_bytes() == UGLY.encode() + b"\n"


def test_words_behind_a_script_are_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (
        HEAD + "import argparse\np = argparse.ArgumentParser()\np.add_argument('--word', default='float32')\na = p.parse_args()\n"
    )
    text += f"pipe = DiffusionPipeline.from_pretrained({XL}, torch_dtype=a.word)\n"
    script = Path("serve.py")
    script.write_text(text)
    assert b"nothing to fix" in run(script, "--fail-on", "warning").stdout
    shown = run(script, "--fail-on", "warning", "--", "--word", "float16")
    assert shown.returncode == 1
    assert b"dtypecheck fix serve.py --apply -- --word float16" in shown.stdout
    assert run(script, "--apply", "--word", "float16").returncode == 0
    assert "torch_dtype=getattr(torch, a.word)" in script.read_text()


def test_the_scripts_of_a_folder_are_mended_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "scripts"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "serve.py").write_bytes(UGLY.encode())
    (folder / "other.py").write_text("print(1)\n")
    done = run(folder, "--apply")
    assert done.returncode == 0, done.stderr
    assert b"torch_dtype=torch.half,\r\n" in (folder / "in" / "serve.py").read_bytes()
    assert run("undo", folder).returncode == 0
    assert (folder / "in" / "serve.py").read_bytes() == UGLY.encode()


def test_a_script_is_no_model_to_convert(tmp_path: Path) -> None:
    script = tmp_path / "serve.py"
    script.write_text(HEAD)
    done = run("--to", "fp16", script)
    assert done.returncode == 2
    assert b"--to converts weights" in done.stderr


def test_a_dtype_that_hangs_on_a_condition_is_not_made_one_that_does_not() -> None:
    text = HEAD + "dtype = torch.float16 if torch.cuda.is_available() else torch.float32\n"
    prior = (
        'prior = StableCascadePriorPipeline.from_pretrained("stabilityai/stable-cascade-prior", torch_dtype=dtype)\nprior("a")\n'
    )
    steps, left, _ = mend(Memory({"s.py": (text + prior).encode()}))
    assert not steps
    assert "condition" in left[0].why
    encoder = 'encoder = T5EncoderModel.from_pretrained("google/t5-v1_1-xxl")\nencoder.to("cuda", dtype=dtype)\n'
    then = encoder.replace('xxl")', 'xxl", torch_dtype=dtype)').replace(", dtype=dtype)\n", ")\n", 1)
    assert fixed(text + encoder) == text + then


def test_what_a_fix_brings_is_mended_with_it() -> None:
    text = f"""\
    vae = AutoencoderKL.from_pretrained({VAE})
    pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, torch_dtype=torch.float16)
    pipe("a cat")
    pipe.vae.encode(torch.zeros(1, 3, 8, 8))
    """
    steps, left, later = mend(Memory({"s.py": (HEAD + dedent(text)).encode()}))
    assert [step.codes for step in steps] == [("DT201",)]
    assert not left
    assert codes(later) == []
    then = later.contents["s.py"].decode()
    assert f"{VAE}, torch_dtype=torch.float16)" in then
    assert "torch.zeros(1, 3, 8, 8).to(pipe.vae.dtype))" in then
