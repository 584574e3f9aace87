"""A script is rehearsed as it would run: beside really running it on small pipelines, and on full-size ones without numbers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from dtypecheck.knowledge import Knowledge
from dtypecheck.request import versions
from dtypecheck.runs.phantoms.shrunken import build
from dtypecheck.runs.script import rehearse_script
from dtypecheck.subjects.shown import Run
from tests.loading import tiny

Rehearsed = Callable[..., Run]


@pytest.fixture
def rehearsed(known: Knowledge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rehearsed:
    """Write a script into an empty folder and rehearse it from there."""
    monkeypatch.chdir(tmp_path)

    def play(text: str, *arguments: str, device: str = "cuda", models: Mapping[str, Path] | None = None) -> Run:
        Path("serve.py").write_text(dedent(text).lstrip())
        return rehearse_script(Path("serve.py"), arguments, known, device, models, versions([]))

    return play


# Beside really running it

SMALL = {
    "all in float32": """
        import torch
        from diffusers import DiffusionPipeline
        pipe = DiffusionPipeline.from_pretrained("sdxl").to("cpu")
        image = pipe("a cat", height=64, width=64, num_inference_steps=2).images[0]
        print(pipe.dtype, image.size, image.mode)
        """,
    "a float32 VAE behind a half U-Net": """
        import torch
        from diffusers import AutoencoderKL, StableDiffusionXLPipeline
        vae = AutoencoderKL.from_pretrained("sdxl", subfolder="vae", torch_dtype=torch.float32)
        pipe = StableDiffusionXLPipeline.from_pretrained("sdxl", torch_dtype=torch.float16, vae=vae)
        print(pipe.vae.dtype, pipe.unet.dtype)
        pipe("a cat", height=64, width=64, num_inference_steps=2)
        """,
    "a text encoder loaded by itself": """
        import torch
        from diffusers import DiffusionPipeline
        from transformers import CLIPTextModelWithProjection
        encoder = CLIPTextModelWithProjection.from_pretrained("sdxl", subfolder="text_encoder_2")
        pipe = DiffusionPipeline.from_pretrained("sdxl", text_encoder_2=encoder, torch_dtype=torch.bfloat16)
        pipe(
            "a cat",
            height=64,
            width=64,
        )
        """,
    "a string for a dtype is no dtype for a pipeline": """
        from diffusers import DiffusionPipeline
        pipe = DiffusionPipeline.from_pretrained("sdxl", torch_dtype="float16")
        print({name: part.dtype for name, part in pipe.components.items() if hasattr(part, "parameters")})
        """,
    "a table of dtypes": """
        import torch
        from diffusers import DiffusionPipeline
        table = {"unet": torch.bfloat16, "text_encoder": torch.float16, "nobody": torch.float64}
        pipe = DiffusionPipeline.from_pretrained("sdxl", torch_dtype=table)
        print({name: part.dtype for name, part in pipe.components.items() if hasattr(part, "parameters")})
        pipe("a cat", height=64, width=64)
        """,
    "a dtype by a string and one by nothing": """
        from transformers import AutoModel, CLIPTextModel
        for dtype in ("float16", "auto", None):
            print(CLIPTextModel.from_pretrained("sdxl", subfolder="text_encoder", dtype=dtype).dtype)
        """,
    "from_pipe casts to float32": """
        import torch
        from diffusers import AutoPipelineForImage2Image, AutoPipelineForText2Image
        pipe = AutoPipelineForText2Image.from_pretrained("sdxl", torch_dtype=torch.float16)
        other = AutoPipelineForImage2Image.from_pipe(pipe)
        print(type(pipe).__name__, type(other).__name__, pipe.unet.dtype, other.unet is pipe.unet)
        """,
    "the script's own layer in another dtype": """
        import torch
        from transformers import CLIPTextModel
        model = CLIPTextModel.from_pretrained("sdxl", subfolder="text_encoder", dtype=torch.float16)
        head = torch.nn.Linear(model.config.hidden_size, 3)
        with torch.no_grad():
            state = model(torch.ones(1, 5, dtype=torch.long)).last_hidden_state
            print(state.shape, state.dtype)
            head(state)
        """,
    "an error that is not about dtypes": """
        import torch
        from diffusers import DiffusionPipeline
        pipe = DiffusionPipeline.from_pretrained("sdxl", torch_dtype=torch.float16)
        pipe("a cat", height=63, width=64)
        """,
    "a part that its class keeps in float32, cast": """
        import torch
        from transformers import T5EncoderModel
        model = T5EncoderModel.from_pretrained("t5", dtype=torch.float16)
        wo = model.encoder.block[0].layer[-1].DenseReluDense.wo.weight
        print(model.dtype, wo.dtype)
        model.half()
        print(model.encoder.block[0].layer[-1].DenseReluDense.wo.weight.dtype)
        print(model(torch.ones(1, 4, dtype=torch.long)).last_hidden_state.dtype)
        """,
    "tokens": """
        import torch
        from transformers import AutoModelForSeq2SeqLM
        model = AutoModelForSeq2SeqLM.from_pretrained("whole", dtype=torch.bfloat16)
        made = model.generate(torch.ones(1, 4, dtype=torch.long), max_new_tokens=2, min_new_tokens=2, do_sample=False)
        print(made.shape, made.dtype, model.dtype)
        """,
    "its own exit code": "import sys\nprint('bye')\nsys.exit(3)\n",
    "its own exception": "def check():\n    raise ValueError('no prompt given')\n\ncheck()\n",
}
"""Scripts in a folder with small pipelines."""

DRIVER = """
import contextlib, io, json, os, runpy, sys, traceback, warnings
warnings.simplefilter("ignore")
for name, path in json.load(sys.stdin).items():
    said, end = io.StringIO(), {"end": "runs", "line": 0}
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_path(path, run_name="__main__")
    except SystemExit as fault:
        end = {"end": f"exit {fault.code}", "line": 0}
    except Exception as fault:
        lines = [frame.lineno for frame in traceback.extract_tb(fault.__traceback__) if frame.filename == path]
        end = {"end": f"{type(fault).__name__}: {str(fault).strip().splitlines()[0]}", "line": lines[-1]}
    print(json.dumps({"name": name, "said": said.getvalue(), **end}))
"""


@dataclass(frozen=True)
class Real:
    """How a script really ended: what it printed, the exception in one line, and the script's own line."""

    said: str
    end: str
    line: int


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, known: Knowledge) -> Path:
    """A folder with small pipelines and models, and the scripts that use them."""
    folder = tmp_path_factory.mktemp("small")
    torch.manual_seed(0)
    build("StableDiffusionXLPipeline", known).save_pretrained(folder / "sdxl")
    tiny.t5().save_pretrained(folder / "t5")
    tiny.t5("T5ForConditionalGeneration").save_pretrained(folder / "whole")
    for number, text in enumerate(SMALL.values()):
        (folder / f"script{number}.py").write_text(dedent(text).lstrip())
    return folder


@pytest.fixture(scope="module")
def real(place: Path) -> dict[str, Real]:
    """Every script, really run on the CPU, one after the other in one process."""
    paths = {name: str(place / f"script{number}.py") for number, name in enumerate(SMALL)}
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input=json.dumps(paths),
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(SMALL), done.stderr
    return {row["name"]: Real(row["said"], row["end"], row["line"]) for row in rows}


@pytest.mark.parametrize("name", SMALL)
def test_a_rehearsal_ends_as_the_real_run_does(
    name: str, place: Path, real: dict[str, Real], known: Knowledge, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(place)
    script = f"script{list(SMALL).index(name)}.py"
    before = sorted(place.rglob("*"))
    run = rehearse_script(Path(script), (), known, "cpu", None, versions([]))
    truth = real[name]
    shown = capsys.readouterr()
    assert shown.out == truth.said
    assert sorted(place.rglob("*")) == before, "a rehearsal leaves no file behind"
    where = f"{script}:{truth.line}"
    if truth.end == "runs":
        assert (run.verdict, run.reason) == ("runs", "")
    elif truth.end.startswith("exit"):
        assert run.verdict == "unknown"
        assert truth.end.removeprefix("exit ") in run.reason
    else:
        assert truth.end in shown.err.splitlines()[-1], "the traceback ends as the real one"
        assert "dtypecheck/" not in shown.err, "no code of ours is in it"
        if run.crash:
            assert (run.crash.script, run.crash.message) == (where, truth.end.partition(": ")[2])
        else:
            assert run.reason == f"{truth.end} ({where})"
            assert not truth.end.startswith("RuntimeError")


def test_the_crash_names_the_line_that_loaded_the_odd_one_out(
    place: Path, known: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    script = f"script{list(SMALL).index('a float32 VAE behind a half U-Net')}.py"
    run = rehearse_script(Path(script), (), known, "cpu", None, versions([]))
    assert run.crash is not None
    assert (run.crash.module, run.crash.script) == ("vae.post_quant_conv", f"{script}:6")
    assert run.crash.glue.startswith("diffusers/pipelines/stable_diffusion_xl/")
    loaded = {operand.role: operand.where for operand in run.crash.operands if operand.component == "vae"}
    assert loaded["weight"] == f"{script}:3"
    assert run.pipeline is not None
    dtypes = {part.name: dtype.short for part in run.pipeline.components if (dtype := part.loads().dtype)}
    assert dtypes == {"text_encoder": "fp16", "text_encoder_2": "fp16", "unet": "fp16", "vae": "fp32"}


def test_a_dtype_that_was_taken_from_a_component_is_followed_back_to_where_that_was_loaded(
    place: Path, known: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latents are made in the dtype of the prompt's embeddings, the time embedding in that of the latents."""
    monkeypatch.chdir(place)
    script = f"script{list(SMALL).index('a text encoder loaded by itself')}.py"
    run = rehearse_script(Path(script), (), known, "cpu", None, versions([]))
    assert run.crash is not None
    assert (run.crash.module, run.crash.script) == ("unet.time_embedding.linear_1", f"{script}:6")
    brought = run.crash.operands[0]
    assert (brought.dtype.short, brought.component, brought.where) == ("fp32", "text_encoder_2", f"{script}:4")


@pytest.mark.parametrize(("dtype", "made"), [("state.dtype", "text_encoder"), ("torch.float16", "serve.py:6")])
def test_a_dtype_that_nobody_was_asked_for_is_the_doing_of_its_line(
    dtype: str, made: str, place: Path, rehearsed: Rehearsed
) -> None:
    text = f"""
        import torch
        from transformers import CLIPTextModel
        model = CLIPTextModel.from_pretrained("small", subfolder="text_encoder", dtype=torch.float16)
        state = model(torch.ones(1, 5, dtype=torch.long)).last_hidden_state
        print(state.dtype)
        given = torch.ones(1, 3, dtype={dtype})
        torch.nn.Linear(3, 3)(given)
        """
    run = rehearsed(text, device="cpu", models={"small": place / "sdxl"})
    assert run.crash is not None
    assert (run.crash.script, run.crash.operands[0].made) == ("serve.py:7", made)


def test_a_crash_that_the_script_swallows_is_a_crash(place: Path, known: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    body = dedent(SMALL["a float32 VAE behind a half U-Net"]).lstrip().splitlines()
    text = "\n".join([*body[:-1], "try:", f"    {body[-1]}", "except RuntimeError as fault:", "    print('sorry')"])
    Path("swallows.py").write_text(text)
    run = rehearse_script(Path("swallows.py"), (), known, "cpu", None, versions([]))
    assert run.verdict == "crashes"
    assert run.crash is not None
    assert (run.crash.module, run.crash.script) == ("vae.post_quant_conv", f"swallows.py:{len(body) + 1}")


FRESH = """
import sys
from pathlib import Path
from dtypecheck.knowledge import Knowledge
from dtypecheck.runs.script import rehearse_script
assert not {"diffusers", "transformers"} & set(sys.modules)
run = rehearse_script(Path(sys.argv[1]), (), Knowledge(), "cpu")
print(run.verdict, run.crash and run.crash.module)
"""


def test_libraries_that_the_script_is_the_first_to_import_are_rehearsed_the_same(place: Path, real: dict[str, Real]) -> None:
    name = "a float32 VAE behind a half U-Net"
    script = f"script{list(SMALL).index(name)}.py"
    path = os.pathsep.join([str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", FRESH, script],
        cwd=place,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout == f"{real[name].said}crashes vae.post_quant_conv\n", done.stderr


# As `python script.py` would run it


def test_a_script_is_the_main_module_with_its_own_arguments_and_neighbours(
    rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("neighbour.py").write_text("NAME = __name__\n")
    Path("words.txt").write_text("a cat")
    text = """
        import sys
        from neighbour import NAME

        def main():
            print(sys.argv, NAME, open("words.txt").read(), sys.path[0] == __file__.rpartition("/")[0])

        if __name__ == "__main__":
            main()
        """
    path, argv = list(sys.path), list(sys.argv)
    run = rehearsed(text, "--steps", "30")
    assert capsys.readouterr().out == "['serve.py', '--steps', '30'] neighbour a cat True\n"
    assert (run.verdict, run.script, run.written) == ("runs", "serve.py", ())
    assert (sys.path, sys.argv) == (path, argv)
    assert "neighbour" not in sys.modules
    assert sorted(entry.name for entry in Path().iterdir()) == ["neighbour.py", "serve.py", "words.txt"]


@pytest.mark.parametrize(("code", "verdict"), [("0", "runs"), ("None", "runs"), ("3", "unknown"), ("'no model'", "unknown")])
def test_an_exit_code_is_an_end(code: str, verdict: str, rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str]) -> None:
    run = rehearsed(f"import sys\nsys.exit({code})\n")
    assert run.verdict == verdict
    assert ("no model" in capsys.readouterr().err) == (code == "'no model'")


def test_a_script_that_is_no_python_says_where(rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str]) -> None:
    run = rehearsed("x = 1\nif x\n    pass\n")
    assert (run.verdict, run.reason) == ("unknown", "SyntaxError: expected ':' (serve.py, line 2) (serve.py:2)")
    assert "SyntaxError" in capsys.readouterr().err


def test_ctrl_c_goes_through(rehearsed: Rehearsed) -> None:
    with pytest.raises(KeyboardInterrupt):
        rehearsed("raise KeyboardInterrupt\n")


def test_what_a_script_sets_for_its_process_ends_with_it(rehearsed: Rehearsed) -> None:
    here = Path.cwd()
    run = rehearsed("import os, torch\nos.chdir('/')\ntorch.set_default_dtype(torch.float64)\ntorch.set_default_device('cuda')\n")
    assert run.verdict == "runs"
    assert (Path.cwd(), torch.get_default_dtype(), torch.get_default_device().type) == (here, torch.float32, "cpu")
    assert not torch.cuda.is_available() or torch.version.cuda


# What it would write


def test_what_a_script_writes_is_listed_and_can_be_read_but_is_not_there(rehearsed: Rehearsed, tmp_path: Path) -> None:
    text = """
        import os
        from pathlib import Path
        import numpy as np
        import torch
        from PIL import Image
        os.makedirs("out/deep", exist_ok=True)
        os.makedirs("out/deep", exist_ok=True)
        Path("more").mkdir(exist_ok=True)
        Image.new("RGB", (8, 6)).save("out/deep/cat.png")
        assert Image.open("out/deep/cat.png").size == (8, 6)
        assert os.path.isdir("out/deep") and os.path.getsize("out/deep/cat.png") > 0
        Path("more/note.txt").write_text("hi")
        with open("more/note.txt", "a") as note:
            note.write(" there")
        assert Path("more/note.txt").read_text() == "hi there"
        np.save("numbers.npy", np.zeros(3))
        assert np.load("numbers.npy").shape == (3,)
        torch.save({"a": 1}, "state.pt")
        os.rename("numbers.npy", "figures.npy")
        os.remove("serve.py")
        assert not os.path.exists("serve.py")
        """
    run = rehearsed(text)
    assert (run.verdict, run.reason) == ("runs", "")
    assert run.written == (
        "out/", "out/deep/", "more/", "out/deep/cat.png", "more/note.txt", "numbers.npy", "state.pt", "figures.npy",
    )  # fmt: skip
    assert [entry.name for entry in tmp_path.iterdir()] == ["serve.py"]


def test_what_libraries_write_is_listed_too(cases: Path, rehearsed: Rehearsed, tmp_path: Path) -> None:
    text = """
        import torch
        from diffusers import AutoencoderKL, EulerDiscreteScheduler
        from diffusers.utils import export_to_gif, export_to_video, load_image
        from safetensors.torch import save_file
        picture = load_image("https://example.com/pictures/cat.png")
        assert export_to_video([picture], "out.mp4", fps=8) == "out.mp4"
        export_to_gif([picture], "out.gif")
        save_file({"a": torch.zeros(2)}, "a.safetensors")
        AutoencoderKL.from_pretrained("sdxl", subfolder="vae").save_pretrained("vae")
        EulerDiscreteScheduler().save_pretrained("steps")
        """
    run = rehearsed(text, models={"sdxl": cases / "sdxl"})
    assert (run.verdict, run.reason) == ("runs", "")
    assert run.written == ("out.mp4", "out.gif", "a.safetensors", "vae/", "steps/")
    assert "cat.png: a picture of our own, nothing is fetched" in run.substituted
    assert [entry.name for entry in tmp_path.iterdir()] == ["serve.py"]


def test_a_folder_of_tempfile_is_a_real_one(rehearsed: Rehearsed) -> None:
    run = rehearsed(
        """
        import os, subprocess, sys, tempfile
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "x"), "w") as out:
                out.write("1")
            command = [sys.executable, "-c", f"print(open({folder!r} + '/x').read())"]
            assert subprocess.run(command, capture_output=True, text=True).stdout.strip() == "1"
        assert not os.path.exists(folder)
        """
    )
    assert (run.verdict, run.reason, run.written) == ("runs", "", ())


def test_a_file_that_cannot_be_written_is_still_an_error(rehearsed: Rehearsed) -> None:
    run = rehearsed("open('nowhere/x.txt', 'w')\n")
    assert run.verdict == "unknown"
    assert run.reason.startswith("FileNotFoundError")
    assert run.reason.endswith("(serve.py:1)")


# On full-size pipelines and a GPU that is not there

SDXL = """
    import os, sys
    import torch
    from diffusers import {imports}
    assert torch.cuda.is_available()
    {before}
    pipe = DiffusionPipeline.from_pretrained("stabilityai/sdxl", torch_dtype=torch.float16, variant="fp16"{given})
    pipe = pipe.to("cuda")
    {after}
    image = pipe("a cat", width=512, height=512, num_inference_steps=30,
                 generator=torch.Generator("cuda").manual_seed(1)).images[0]
    os.makedirs("out", exist_ok=True)
    image.save("out/cat.png")
    print(image.size, pipe.device, pipe.unet.dtype)
    """


def sdxl(imports: str = "DiffusionPipeline", before: str = "", given: str = "", after: str = "") -> str:
    return SDXL.format(imports=imports, before=before, given=given, after=after)


def test_sdxl_in_half_runs_and_says_what_is_otherwise(
    cases: Path, rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str]
) -> None:
    text = sdxl(after='pipe.enable_model_cpu_offload(); pipe.unet = torch.compile(pipe.unet); pipe.load_lora_weights("a/lora")')
    run = rehearsed(text, models={"stabilityai/sdxl": cases / "sdxl"})
    assert (run.verdict, run.reason) == ("runs", "")
    assert capsys.readouterr().out == "(512, 512) cuda:0 torch.float16\n"
    assert run.written == ("out/", "out/cat.png")
    assert "num_inference_steps: 2 in place of 30" in run.substituted
    assert any(text.startswith("tokenizer: ") for text in run.substituted)
    assert any(text.startswith("load_lora_weights: left out") for text in run.substituted)
    assert run.weight_bytes["unet"] == 2 * 2_567_463_684
    assert run.pipeline is not None
    assert (run.pipeline.klass, run.pipeline.root) == ("StableDiffusionXLPipeline", "stabilityai/sdxl")


def test_sdxl_with_a_float32_vae_crashes_in_its_decoder(
    cases: Path, rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str]
) -> None:
    text = sdxl(
        imports="AutoencoderKL, DiffusionPipeline",
        before='vae = AutoencoderKL.from_pretrained("stabilityai/sdxl", subfolder="vae")',
        given=", vae=vae",
    )
    run = rehearsed(text, models={"stabilityai/sdxl": cases / "sdxl"})
    assert run.verdict == "crashes"
    assert run.crash is not None
    assert (run.crash.module, run.crash.script, run.crash.stage) == ("vae.post_quant_conv", "serve.py:9", "decode")
    assert run.crash.glue.startswith("diffusers/pipelines/stable_diffusion_xl/pipeline_stable_diffusion_xl.py:")
    assert "Input type (c10::Half) and bias type (float) should be the same" in run.crash.message
    shown = capsys.readouterr().err
    assert f'File "{Path("serve.py").absolute()}", line 9' in shown
    assert "dtypecheck/" not in shown
    assert "_python_dispatch" not in shown
    assert run.written == ()


def test_half_after_loading_undoes_what_the_class_keeps_in_float32(cases: Path, rehearsed: Rehearsed) -> None:
    text = """
        import torch
        from diffusers import FluxPipeline
        pipe = FluxPipeline.from_pretrained("flux", transformer=None, vae=None, torch_dtype=torch.bfloat16).to("cuda")
        pipe.text_encoder_2.half()
        pipe.encode_prompt("a cat", None)
        """
    run = rehearsed(text, models={"flux": cases / "flux-dev"})
    assert (run.verdict, run.reason) == ("runs", "")
    lost = [event for event in run.events if event.kind == "island"]
    assert len(lost) == 24
    assert lost[0].module == "text_encoder_2.encoder.block.0.layer.1.DenseReluDense.wo"
    assert {(event.by, event.to and event.to.short) for event in lost} == {("serve.py:4", "fp16")}
    fine = rehearsed(text.replace("pipe.text_encoder_2.half()", ""), models={"flux": cases / "flux-dev"})
    assert [event for event in fine.events if event.kind == "island"] == []


def test_a_vae_inside_autocast_is_told(cases: Path, rehearsed: Rehearsed) -> None:
    text = """
        import torch
        from diffusers import AutoencoderKL
        vae = AutoencoderKL.from_pretrained("sdxl", subfolder="vae").to("cuda")
        latents = torch.randn(1, 4, 16, 16, device="cuda")
        {context}:
            print(vae.decode(latents).sample.dtype)
        """
    inside = rehearsed(text.format(context='with torch.autocast("cuda", torch.float16)'), models={"sdxl": cases / "sdxl"})
    assert inside.verdict == "runs"
    told = [event for event in inside.events if event.kind == "autocast"]
    assert told
    assert told[0].module == "vae.post_quant_conv"
    assert told[0].by == "serve.py:6"
    outside = rehearsed(text.format(context="with torch.no_grad()"), models={"sdxl": cases / "sdxl"})
    assert [event for event in outside.events if event.kind == "autocast"] == []


def test_a_language_model_generates_and_streams(cases: Path, rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str]) -> None:
    text = """
        from threading import Thread
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TextIteratorStreamer
        tokenizer = AutoTokenizer.from_pretrained("meta/llama")
        model = AutoModelForCausalLM.from_pretrained(
            "meta/llama", torch_dtype=torch.float16, device_map="auto", attn_implementation="flash_attention_2",
            quantization_config=BitsAndBytesConfig(load_in_4bit=True),
        )
        inputs = tokenizer("hello", return_tensors="pt").to(model.device)
        streamer = TextIteratorStreamer(tokenizer, timeout=60)
        thread = Thread(target=model.generate, kwargs={**inputs, "streamer": streamer, "max_new_tokens": 100})
        thread.start()
        text = "".join(streamer)
        thread.join()
        print(model.dtype, inputs["input_ids"].device, len(model.generate(**inputs)[0]) - len(inputs["input_ids"][0]))
        """
    run = rehearsed(text, models={"meta/llama": cases / "llama-small"})
    assert (run.verdict, run.reason) == ("runs", "")
    assert capsys.readouterr().out == "torch.float16 cuda:0 2\n"
    assert {"max_new_tokens: 2 in place of 100", "attn_implementation: sdpa in place of flash_attention_2"} <= set(
        run.substituted
    )


@pytest.mark.parametrize("ignored", [False, True], ids=["", "where-SIGINT-is-ignored"])
def test_a_fault_in_a_thread_ends_the_script_that_waits_for_it(rehearsed: Rehearsed, ignored: bool) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    text = """
        import queue, threading, time
        waiting = queue.Queue()
        def work():
            time.sleep(0.3)
            raise ValueError("nothing to say")
        threading.Thread(target=work).start()
        waiting.get()
        """
    try:
        run = rehearsed(text)
        assert signal.getsignal(signal.SIGINT) is (signal.SIG_IGN if ignored else signal.default_int_handler)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (run.verdict, run.reason) == ("unknown", "ValueError: nothing to say (serve.py:5)")


def test_a_fault_in_a_thread_that_the_script_left_behind_interrupts_nobody(rehearsed: Rehearsed) -> None:
    before = set(threading.enumerate())
    text = """
        import threading, time
        def work():
            time.sleep(0.5)
            raise ValueError("too late")
        threading.Thread(target=work, daemon=True).start()
        """
    try:
        run = rehearsed(text)
        for thread in set(threading.enumerate()) - before:
            thread.join(60)
        time.sleep(0.1)
    except KeyboardInterrupt:
        pytest.fail("the rehearsal was over, and the thread of its script interrupted what came after it")
    assert run.verdict == "runs"


def test_a_single_file_takes_its_configs_from_the_model_it_was_made_of(
    cases: Path, rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"""
        import torch
        from diffusers import StableDiffusionXLPipeline
        file = {str(cases / "sdxl-single-file" / "sd_xl_base_1.0.safetensors")!r}
        pipe = StableDiffusionXLPipeline.from_single_file(file, torch_dtype=torch.bfloat16)
        print(pipe.unet.dtype, pipe.text_encoder_2.dtype, pipe.vae.dtype)
        """
    name = "stabilityai/stable-diffusion-xl-base-1.0"
    without = rehearsed(text)
    assert (without.verdict, f"--model {name}=DIR" in without.reason) == ("unknown", True)
    run = rehearsed(text, models={name: cases / "sdxl"})
    assert (run.verdict, run.reason) == ("runs", "")
    assert capsys.readouterr().out == "torch.bfloat16 torch.bfloat16 torch.bfloat16\n"


# Models that are not there


@pytest.mark.parametrize(
    "call", ["diffusers.DiffusionPipeline", "diffusers.UNet2DModel", "transformers.AutoModel", "transformers.CLIPTokenizer"]
)
def test_a_model_that_is_nowhere_is_named_with_what_to_pass(call: str, rehearsed: Rehearsed) -> None:
    library, _, name = call.partition(".")
    run = rehearsed(f"from {library} import {name}\n\n{name}.from_pretrained('some/model')\n")
    assert run.verdict == "unknown"
    assert run.reason == (
        "serve.py:3: the model some/model is not on this machine; pass --model some/model=DIR (its configs are enough)"
    )


def test_a_script_may_have_another_model_to_fall_back_on(cases: Path, rehearsed: Rehearsed) -> None:
    text = """
        from transformers import AutoModel
        try:
            AutoModel.from_pretrained("some/model")
        except OSError:
            AutoModel.from_pretrained("other/model")
        """
    assert rehearsed(text, models={"other/model": cases / "bert-f32"}).verdict == "runs"


def test_the_cache_of_the_hub_is_looked_into(
    cases: Path, rehearsed: Rehearsed, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = tmp_path_factory.mktemp("hub")
    repository = cache / "models--some--model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / "abc").symlink_to(cases / "bert-f32")
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    run = rehearsed("from transformers import AutoModel\nprint(AutoModel.from_pretrained('some/model').dtype)\n")
    assert (run.verdict, run.reason) == ("runs", "")


@pytest.fixture(autouse=True)
def _nothing_stays_changed() -> Iterator[None]:
    """Whatever a rehearsal replaces is as it was when it ends."""
    import builtins

    places = [(builtins, "open"), (os, "mkdir"), (os, "stat"), (torch, "save"), (torch, "compile"), (torch.nn.Module, "_apply")]
    before = [vars(place)[name] for place, name in places]
    yield
    assert [vars(place)[name] for place, name in places] == before
    for name, method in (("diffusers", "DiffusionPipeline"), ("transformers", "PreTrainedModel")):
        if name in sys.modules:
            found = getattr(sys.modules[name], method).from_pretrained.__func__
            assert found.__code__.co_filename.find("dtypecheck") < 0
