"""A fix keeps the layout of a script: its line ends, blanks, comments and commas."""

from __future__ import annotations

import ast
import io
import random
import tokenize

import pytest

from dtypecheck.files import Memory
from tests.fixing.scripts.mended import FLUX, HEAD, UGLY, VAE, XL, body, codes, fixed


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
