"""`dtypecheck explain` as people use it: a message, a traceback, a log on standard input, garbage, and the pages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dtypecheck
from dtypecheck.render import explained, explained_forms
from dtypecheck.render.options import Look
from dtypecheck.verbs.explain import all_rows, explain

from .read.test_trace import COMFY, JUPYTER, OLD, PIPELINE, RICH, SDXL

LINEAR = "mat1 and mat2 must have the same dtype, but got Half and Float"


def run(*arguments: str, given: bytes | None = None, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command; given: what is piped into it, None for a standard input that is empty."""
    feed: dict[str, Any] = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
    command = [sys.executable, "-m", "dtypecheck", "explain", *arguments]
    return subprocess.run(command, capture_output=True, env={**os.environ, **environment}, timeout=180, check=False, **feed)


def first(done: subprocess.CompletedProcess[bytes]) -> str:
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.stdout.decode().splitlines()[0]


def terminal(text: str, look: Look | None = None) -> list[str]:
    out = StringIO()
    explained.render(explain(text), out, look or Look())
    return out.getvalue().splitlines()


# the command


def test_a_message_is_explained_by_its_first_line() -> None:
    done = run(LINEAR)
    assert done.returncode == 0
    told = "a linear layer is given fp16 and has its weights in fp32: load every component with the same torch_dtype"
    assert first(done) == f"crash linear-dtypes  {told}"
    assert done.stderr == b""


def test_words_without_quotes_are_one_message_and_options_in_them_are_part_of_it() -> None:
    assert "linear-dtypes" in first(run(*LINEAR.replace(",", "").split()))
    done = run("-q", "A", "tensor", "with", "all", "NaNs", "was", "produced", "in", "VAE.", "Try", "adding", "--no-half-vae")
    assert first(done).startswith("nan webui-vae-nan  ")


def test_a_traceback_is_an_argument_or_comes_from_standard_input_with_or_without_a_dash() -> None:
    for done in (run(SDXL), run("-", given=SDXL.encode()), run(given=SDXL.encode()), run(given=SDXL.encode("utf-16"))):
        assert done.returncode == 0
        assert "in unet.time_embedding.linear_1 (/home/me/serve.py:14)" in first(done)
    assert len({run("-", given=SDXL.encode()).stdout, run(given=SDXL.encode()).stdout}) == 1


def test_bare_explain_lists_the_rules_and_a_code_or_name_shows_its_page() -> None:
    for done in (run(), run(given=b""), run(given=b" \n")):
        lines = done.stdout.decode().splitlines()
        assert len(lines) >= 25
        assert all(line.startswith("DT") for line in lines)
    pages = run("DT110", "kept-part-in-half").stdout.decode()
    assert "DT110" in pages
    assert "DT303" in pages


def test_the_name_of_a_message_shows_its_page() -> None:
    done = run("linear-dtypes")
    assert done.returncode == 0
    assert first(done).startswith("crash linear-dtypes  a linear layer")
    assert b"https://github.com/huggingface/diffusers/issues/4860" in done.stdout
    page = json.loads(run("--output-format", "json", "linear-dtypes").stdout)
    assert (page["name"], page["kind"]) == ("linear-dtypes", "crash")
    assert run("--output-format", "markdown", "linear-dtypes").stdout.startswith(b"# linear-dtypes\n")


def test_what_is_not_known_is_exit_3_and_the_nearest_is_named() -> None:
    done = run("mat1 and mat2 have different dtypes, Half and Float")
    assert done.returncode == 3
    assert first(done).startswith(
        'unknown no message of ours: "mat1 and mat2 have different dtypes, Half and Float"; the nearest is '
    )
    assert "linear-dtypes" in first(done)
    done = run("the printer is on fire")
    assert done.returncode == 3
    assert first(done) == 'unknown no message of ours: "the printer is on fire"'
    assert run("-", given=b"").returncode == 3


@pytest.mark.parametrize("word", ["DT999", "kept-part-in-halves", "linear-dtype", "dt1x"])
def test_what_can_only_be_a_name_and_is_none_is_wrong_use(word: str) -> None:
    done = run(word)
    assert done.returncode == 2
    assert f"no rule is called {word!r}".encode() in done.stderr
    assert b"the nearest is" in done.stderr


def test_json_and_markdown_go_to_a_file_and_hold_everything(tmp_path: Path) -> None:
    done = run("--output-format", "json", "-o", str(tmp_path / "x.json"), SDXL)
    assert (done.returncode, done.stdout) == (0, b"")
    data = json.loads((tmp_path / "x.json").read_text())
    assert data["verdict"] == "known"
    assert data["row"]["name"] == "linear-dtypes"
    assert data["operands"] == [
        {"role": "input", "dtype": "F32", "from": None},
        {"role": "weight", "dtype": "F16", "from": None},
    ]
    assert (data["module"], data["component"], data["operator"]) == ("unet.time_embedding.linear_1", "unet", "linear")
    assert data["exception"] == {
        "class": "RuntimeError",
        "message": "mat1 and mat2 must have the same dtype, but got Float and Half",
        "link": None,
    }
    assert data["frames"]["pipeline"] == {
        "path": PIPELINE,
        "line": 1214,
        "function": "__call__",
        "code": "noise_pred = self.unet(",
    }
    assert run("-o", "/no/such/folder/x.txt", LINEAR).returncode == 2
    text = run("--output-format", "markdown", SDXL).stdout.decode()
    assert text.startswith("**crash** linear-dtypes  ")
    assert "\n1. load every component with the same torch_dtype\n" in text


def test_more_rows_come_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "messages.toml").write_text(
        '[["house-rule"]]\nkind = "info"\nabout = "loading"\npattern = [\'the house says {input}\']\n'
        'means = "the house says {input}"\n'
        'because = ["it does"]\ndo = ["listen"]\nseen = ["here"]\nsays = ["the house says fp16"]\nwhy = "So."\nsource = ["us"]\n'
    )
    done = run("--rules-dir", str(tmp_path), "The house says: torch.bfloat16")
    assert first(done) == "info house-rule  the house says bf16: listen"
    (tmp_path / "messages.toml").write_text('[["house-rule"]]\nkind = "info"\n')
    done = run("--rules-dir", str(tmp_path), "The house says: torch.bfloat16")
    assert done.returncode == 2
    assert b"house-rule" in done.stderr


def test_nothing_heavy_is_imported_for_it(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom dtypecheck.cli import main\ntry:\n    main(['explain', sys.argv[1]])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'numpy', 'rich', 'diffusers', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, SDXL], capture_output=True, text=True, check=True, cwd=tmp_path, timeout=300
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("megabytes", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_a_huge_log_is_explained_in_seconds_wherever_the_message_stands(megabytes: int) -> None:
    line = b"%07d step: loss 0.123, dtype float16, expected speed\n"
    noise = b"".join(line % n for n in range(megabytes * 1_000_000 // (2 * len(line % 0)) + 1))
    start = time.monotonic()
    done = run(given=noise + SDXL.encode() + noise)
    told = "crash linear-dtypes  a linear layer is given fp32 and has its weights in fp16, in unet.time_embedding"
    assert first(done).startswith(told)
    assert time.monotonic() - start < 120


def test_garbage_is_no_traceback_of_ours() -> None:
    garbage = bytes((n * 7919 + n // 251) % 256 for n in range(2_000_000))
    for data in (garbage, b"\x00" * 1000, b"\xff\xfe\x00", "│\n".encode() * 1000, b'File "' * 10_000, b"(" * 100_000):
        done = run("-", given=data)
        assert done.returncode == 3
        assert first(done).startswith("unknown ")
        assert b"bug of ours" not in done.stderr


# what is said


def test_the_lines_under_the_first_name_the_frames_the_causes_and_what_to_do() -> None:
    lines = [line.strip() for line in terminal(SDXL)]
    labels = [line.split()[0] for line in lines[1:]]
    assert labels[:6] == ["says", "dtypes", "raised", "library", "pipeline", "script"]
    assert {"because", "fix", "or", "note"} <= set(labels)
    assert "dtypes   input fp32, weight fp16" in lines
    assert f"pipeline {PIPELINE}:1214 in __call__: noise_pred = self.unet(" in lines
    assert "library  diffusers/models/embeddings.py:226 in forward: sample = self.linear_1(sample)" in lines
    assert "raised   torch/nn/modules/linear.py:114 in forward: return F.linear(input, self.weight, self.bias)" in lines
    assert "script   /home/me/serve.py:14: image = pipe(prompt).images[0]" in lines


def test_quiet_is_one_line_and_verbose_has_the_sources() -> None:
    assert len(terminal(SDXL, Look(-1))) == 1
    assert not any("https://" in line for line in terminal(LINEAR))
    assert any("https://" in line for line in terminal(LINEAR, Look(1)))


def test_a_terminal_has_colours_and_its_width_and_a_file_has_neither() -> None:
    lines = terminal(SDXL, Look(0, True, 60))
    assert lines[0].startswith("\x1b[1;31mcrash\x1b[0m linear-dtypes")
    assert all(len(line) <= 60 or " " not in line.strip() or "\x1b" in line for line in lines)
    assert not any("\x1b" in line for line in terminal(SDXL))


def test_the_last_traceback_with_a_known_message_counts_and_the_first_of_its_chain() -> None:
    chained = SDXL + (
        "\nThe above exception was the direct cause of the following exception:\n\n"
        'Traceback (most recent call last):\n  File "/home/me/serve.py", line 16, in <module>\n    main()\n'
        "ValueError: generation failed\n"
    )
    found = explain(OLD + "\n" + chained + "\nKeyError: 'x'\n")
    assert found.row is not None
    assert found.row.name == "linear-dtypes"
    assert [raised.says for raised in found.chain] == ["ValueError: generation failed"]
    assert [other.row.name for other in found.also] == ["conv-dtypes"]


def test_a_warning_in_the_same_log_is_told_beside_the_crash() -> None:
    log = "Passed `torch_dtype` float16 is not a `torch.dtype`. Defaulting to `torch.float32`.\n" * 3 + SDXL
    (line,) = [line for line in terminal(log) if line.strip().startswith("also")]
    assert "warning dtype-not-a-dtype, 3 times" in line


@pytest.mark.parametrize(
    ("text", "row", "module", "script"),
    [
        (SDXL, "linear-dtypes", "unet.time_embedding.linear_1", "/home/me/serve.py:14"),
        (OLD, "conv-dtypes", "vae.post_quant_conv", "infer.py:30"),
        (RICH, "conv-dtypes", "vae", "/kaggle/working/train.py:123"),
        (JUPYTER, "cutlass-no-kernel", "", "Cell In[3]:5"),
        (COMFY, "linear-dtypes", "", "E:/ComfyUI/comfy/ldm/modules/attention.py:9"),
    ],
)
def test_every_form_of_traceback_is_explained(text: str, row: str, module: str, script: str) -> None:
    found = explain(text)
    assert found.row is not None
    assert (found.row.name, found.module) == (row, module)
    assert found.route.script is not None
    assert found.route.script.place == script


def test_an_unknown_traceback_still_says_where_it_was() -> None:
    text = SDXL.replace("must have the same dtype, but got Float and Half", "shapes cannot be multiplied (2x3 and 4x5)")
    lines = terminal(text)
    assert lines[0].startswith('unknown no message of ours: "RuntimeError: mat1 and mat2 shapes cannot be multiplied')
    assert any(line.strip().startswith("script") and "serve.py:14" in line for line in lines)


def test_a_device_mismatch_is_explained_as_one() -> None:
    (line, *_) = terminal("Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) should be the same")
    assert "this is about devices, not dtypes" in line
    assert "move the input" in line


def test_control_characters_of_a_log_do_not_reach_the_terminal() -> None:
    for line in terminal("\x07\x08expected scalar type Half but found Float\x9b2J \u202e and \x00"):
        assert line.isprintable()


def test_the_function_of_the_package_takes_text_too() -> None:
    found = dtypecheck.explain(LINEAR)
    assert found.row is not None
    assert str(found) == found.text
    assert str(found).startswith("crash linear-dtypes  ")
    assert [(operand.role, operand.dtype.name) for operand in found.operands] == [("input", "F16"), ("weight", "F32")]
    assert dtypecheck.explain("").row is None


def test_no_key_of_the_json_ever_vanishes() -> None:
    keys = [set(explained_forms.document(explain(text))) for text in (SDXL, LINEAR, "", "unknown", RICH)]
    assert all(one == keys[0] for one in keys)
    assert set(explained_forms.document(explain(SDXL))["row"]) == {
        *("name", "kind", "about", "means", "because", "fix", "seen", "messages", "why", "source")
    }


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([word for row in all_rows() for says in row.says for word in says.split()]), max_size=60))
def test_any_words_of_messages_in_any_order_are_explained_or_not_but_never_an_error(words: list[str]) -> None:
    found = explain(" ".join(words))
    assert str(found)
    json.dumps(explained_forms.document(found), allow_nan=False)
    assert explained_forms.markdown(found)


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_text_is_explained_or_not_but_never_an_error(text: str) -> None:
    found = explain(text)
    assert all(line.isprintable() for line in str(found).split("\n"))
