"""Runs made by hand with every field filled in, as large as the real ones: what the formats are tested on."""

from __future__ import annotations

from dataclasses import replace

from dtypecheck.dtypes import BF16, F16, F32, DType
from dtypecheck.edits import SetKey, Splice
from dtypecheck.findings import Finding, Fix, Where, fingerprinted
from dtypecheck.report import Report
from dtypecheck.subjects import Component, Load, Pipeline, Request, Stock, WeightFile, WeightSet
from dtypecheck.subjects.gated import Gate
from dtypecheck.subjects.numbers import Departure, Frame, Healing, Picture, Producer, Replay
from dtypecheck.subjects.shown import Crash, Event, ModuleRow, Operand, Run, Tried

BROKEN = "vae.decoder.up_blocks.2.resnets.0.conv2"
LIBRARIES = (("diffusers", "0.42.1", "installed"), ("transformers", "5.23.0", "installed"))
HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x1b[31m\u202e"
"""A name from a stranger's file."""


def component(name: str, klass: str, family: str, role: str, dtype: DType, parameters: int) -> Component:
    """A component with one weight file."""
    file = WeightFile(
        f"{name}/model.fp16.safetensors", "safetensors", 2 * parameters, {F16: Stock(9, parameters, 2 * parameters)}
    )
    chosen = WeightSet("safetensors", "model", "fp16", (file,))
    return Component(name, name, klass, family, role, sets=(chosen,), load=Load(dtype, counts={dtype: parameters}, chosen=chosen))


def sdxl(vae: DType = F16) -> Pipeline:
    """A pipeline of four components."""
    parts = (
        component("vae", "AutoencoderKL", "diffusers", "vae", vae, 83_653_863),
        component("text_encoder", "CLIPTextModel", "transformers", "text_encoder", F16, 123_060_480),
        component("text_encoder_2", "CLIPTextModelWithProjection", "transformers", "text_encoder", F16, 694_659_840),
        component("unet", "UNet2DConditionModel", "diffusers", "denoiser", F16, 2_567_463_684),
    )
    return Pipeline(".", "StableDiffusionXLPipeline", "pipeline", parts, request=Request({"": F16}, libraries=LIBRARIES))


def rows(count: int, vae: bool = True) -> tuple[ModuleRow, ...]:
    """So many modules: two text encoders, a unet and the decoder whose numbers grow until they break."""
    made = []
    plan = (("text_encoder", 0.08, 1), ("text_encoder_2", 0.14, 1), ("unet", 0.6, 50), ("vae.decoder", 0.18, 1))
    for name, share, calls in plan[: 4 if vae else 3]:
        size = max(3, int(count * share))
        for n in range(size):
            # a saw-tooth that is the same on every machine
            power = {"text_encoder": 3.0, "text_encoder_2": 4.0, "unet": 5.5, "vae.decoder": 6.0}[name] + (n * 37 % 101) / 17
            power += 3.5 * n / size if name == "vae.decoder" else 0.0
            dtype = F32 if name == "text_encoder_2" and n % 9 == 4 else F16
            leaf = ("norm1", "conv1", "norm2", "conv2")[n % 4]
            klass = "GroupNorm" if "norm" in leaf else "Conv2d"
            path = f"{name}.{'mid' if name.startswith('vae') else 'up'}_blocks.{n // 16}.resnets.{n // 4 % 4}.{leaf}"
            made.append(ModuleRow(path, calls, F16, dtype, 2.0**power, klass, dtype))
    if vae:
        at = len(made) - 40 if len(made) > 80 else len(made) - 2
        made[at:at] = [
            ModuleRow("vae.decoder.up_blocks.1.upsamplers.0.conv", 1, F16, F16, 58_112.0, "Conv2d", F16),
            ModuleRow(BROKEN, 1, F16, F16, None, "Conv2d", F16),
        ]
        made = [replace(row, absmax=None) if n > at + 1 else row for n, row in enumerate(made)]
        made.append(ModuleRow("vae.decoder.conv_out", 1, F16, F16, None, "Conv2d", F16))
    return tuple(made)


PRODUCER = Producer(
    BROKEN,
    1,
    F16,
    "inf",
    klass="Conv2d",
    absmax_in=61_440.0,
    before=(
        Frame("vae.decoder.up_blocks.1.upsamplers.0.conv", F16, F16, 31_900.0, 58_112.0),
        Frame("vae.decoder.up_blocks.2.resnets.0.norm2", F16, F16, 58_112.0, 61_440.0),
        Frame(BROKEN, F16, F16, 61_440.0, None, True, False),
    ),
    carried=41,
    carried_to="vae.decoder.conv_out",
    killed_by="image_processor",
    weights=("bias",),
    times=2,
    reaches="vae",
    replay=Replay("precision", 213_000.0, 3.25, "the kernel was excluded"),
)

FINDINGS = (
    Finding(
        "DT307",
        "numbers-not-finite",
        "error",
        Where("vae/config.json", BROKEN),
        f"image 1 of 1 is black: all of it was NaN before it became a picture; {BROKEN} (fp16) overflowed: inputs finite, "
        "largest 61,440",
        against=Where("vae/model.fp16.safetensors", "vae"),
        because="before it up_blocks.1.upsamplers.0.conv reached 58,112 of 65,504; 41 modules carried it to vae.decoder.conv_out",
        says="RuntimeWarning: invalid value encountered in cast",
        fix=Fix("keep the vae in fp16 and force_upcast on: this pipeline upcasts it"),
        alternatives=("use madebyollin/sdxl-vae-fp16-fix", "in ComfyUI --fp32-vae, in A1111 and Forge --no-half-vae"),
        pipeline=".",
        component="vae",
    ),
    Finding(
        "DT302",
        "stream-promoted",
        "warning",
        Where("text_encoder_2/config.json", "text_encoder_2.up_blocks.0.resnets.1.norm1"),
        "text_encoder_2 promotes its fp16 stream to fp32 in 31 modules: 12 MB more",
        pipeline=".",
        component="text_encoder_2",
        also=("unet",),
    ),
    Finding(
        "DT309",
        "little-headroom",
        "note",
        Where("unet/config.json", "unet.up_blocks.3.resnets.2.conv1"),
        "unet.up_blocks.3.resnets.2.conv1 comes within a factor of 2 of the limit of fp16",
        pipeline=".",
        component="unet",
    ),
    Finding("DT118", "vae-not-known", "note", Where("vae/config.json"), "nobody documents this vae", muted="we tried it"),
)


def watched(count: int = 240) -> Run:
    """A run with every field of a watched one: the picture is black."""
    return Run(
        "watched",
        "runs",
        "cuda",
        modules=rows(count),
        weight_bytes={"vae": 167_307_726, "text_encoder": 246_120_960, "text_encoder_2": 1_389_319_680, "unet": 5_134_927_368},
        pipeline=sdxl(),
        script="serve.py",
        called="50 steps at 1024x1024",
        events=(
            Event(
                "promoted",
                "text_encoder_2.up_blocks.0.resnets.1.norm1",
                "add",
                (F16, F32),
                F32,
                "text_encoder",
                12_345_678,
                3,
                31,
            ),
            Event("promoted", "unet.time_proj", "mul", (F16, F32), F32, by_design=True, times=50),
        ),
        substituted=("tokenizer: its files are not there",),
        written=("out.png",),
        producers=(PRODUCER,),
        pictures=(Picture("nan", 1, 2, "decode", "black", BROKEN, "out.png"), Picture("uniform", 2, 2, "save", "grey 128")),
        departures=(Departure("unet", F16, 0.0123, "unet.up_blocks.0.resnets.0.norm1", 0.4),),
        healed=(Healing("vae.decoder.conv_in", "cast", F32, F16, 12, "12 casts, 3 MB", "load the vae in fp16"),),
        limits=("text_encoder was compiled before the watch: it is seen as one module",),
        steps={"text_encoder": 2, "text_encoder_2": 2, "unet": 50, "vae": 1},
        variable="pipe",
        ranks=(0, 1),
    )


def black(count: int = 240) -> Report:
    """The report on it."""
    run = watched(count)
    assert run.pipeline
    return Report(FINDINGS, (run.pipeline,), request=run.pipeline.request, label="serve.py", runs=(run,))


def healthy() -> Report:
    """A watched script that nobody knows the pipeline of, without a finding; in bf16 and fp32."""
    modules = tuple(
        replace(row, dtype_in=BF16, dtype_out=F32 if row.dtype_out is F32 else BF16, weights=BF16) for row in rows(60, vae=False)
    )
    run = Run(
        "watched", "runs", "cuda", modules=modules, script="train.py", steps={"text_encoder": 1, "text_encoder_2": 1, "unet": 8}
    )
    return Report(label="train.py", runs=(run,))


def crashed() -> Report:
    """A rehearsal that crashes, with what met and the dtype plans that would run."""
    pipeline = sdxl(F32)
    operands = (
        Operand("input", F16, "unet (latents)", "unet"),
        Operand("weight", F32, "vae.post_quant_conv.weight", "vae"),
        Operand("bias", F32, "vae.post_quant_conv.bias", "vae", "serve.py:14"),
    )
    crash = Crash(
        "vae.post_quant_conv",
        "conv2d",
        "Input type (c10::Half) and bias type (float) should be the same",
        operands,
        "diffusers/pipelines/stable_diffusion_xl/pipeline_stable_diffusion_xl.py:1290",
        "serve.py:31",
        "decode",
    )
    tried = Tried(
        dict.fromkeys(("vae", "text_encoder", "text_encoder_2", "unet"), F16),
        "runs",
        weight_bytes=7_100_000_000,
        recommended=True,
    )
    run = Run(
        "rehearsed",
        "crashes",
        "cuda",
        crash,
        pipeline=pipeline,
        remedies=(tried,),
        weight_bytes={"vae": 335_000_000, "unet": 5_100_000_000},
    )
    finding = Finding(
        "DT301",
        "run-crashes",
        "error",
        Where("vae/config.json", "vae.post_quant_conv"),
        "vae.post_quant_conv has fp32 weights and is given fp16 from unet (latents): the call crashes",
        pipeline=".",
        component="vae",
    )
    return Report((finding,), (pipeline,), request=pipeline.request, label="sdxl", runs=(run,))


def hostile() -> Report:
    """Every text of a stranger is an attack."""
    part = replace(component("vae", HOSTILE, "diffusers", "vae", F16, 10), name=HOSTILE)
    pipeline = Pipeline(HOSTILE, HOSTILE, "pipeline", (part,))
    row = ModuleRow(f"{HOSTILE}.{HOSTILE}", 1, F16, F16, 7.0, HOSTILE, F16)
    run = replace(
        watched(12),
        modules=(row, replace(row, module=HOSTILE)),
        pipeline=pipeline,
        script=HOSTILE,
        called=HOSTILE,
        device=HOSTILE,
        verdict="crashes",
        crash=Crash(row.module, HOSTILE, HOSTILE, (Operand("input", F16, HOSTILE, HOSTILE, HOSTILE),), HOSTILE, HOSTILE),
        events=(Event("promoted", row.module, HOSTILE, (F16,), F32, HOSTILE),),
        producers=(replace(PRODUCER, module=row.module, klass=HOSTILE, glue=HOSTILE, weights=(HOSTILE,), reaches=HOSTILE),),
        pictures=(Picture("nan", colour=HOSTILE, producer=HOSTILE, path=HOSTILE),),
        departures=(Departure(HOSTILE, F16, 0.1, HOSTILE),),
        healed=(Healing(HOSTILE, HOSTILE, F16, F32, 1, HOSTILE, HOSTILE),),
        limits=(HOSTILE,),
        substituted=(HOSTILE,),
        written=(HOSTILE,),
        steps={HOSTILE: 1},
    )
    place = Where(HOSTILE, row.module)
    finding = Finding(
        "DT301", HOSTILE, "error", place, HOSTILE, place, HOSTILE, HOSTILE, Fix(HOSTILE), (HOSTILE,), component=HOSTILE
    )
    libraries = ((HOSTILE, HOSTILE, HOSTILE),)
    request = Request({HOSTILE: F16}, HOSTILE, HOSTILE, libraries)
    return Report((finding, finding.mute(HOSTILE)), (pipeline,), request=request, label=HOSTILE, runs=(run,))


CALL = Where("serve.py", line=14)
NARROWS = Finding(
    "DT102", "declared-dtype-narrows", "error", Where("vae/config.json", "/dtype", 3), "the config declares float16",
    fix=Fix("declare bfloat16", edits=(SetKey("vae/config.json", "/dtype", '"bfloat16"'),)), pipeline=".", component="vae",
)  # fmt: skip


def mixed() -> Report:
    """A model folder and a script beside it: every severity, every kind of place, muted by everyone, fixes of both kinds."""
    pipeline = sdxl()
    unreadable = Where("vae/model.fp16.safetensors")
    library = Where("diffusers/pipelines/x.py", line=1290)
    found = [
        NARROWS,
        Finding(
            "DT201", "unknown-keyword", "warning", CALL, "torch_dtyp is no keyword of from_pretrained", against=library,
            fix=Fix("write torch_dtype", edits=(Splice("serve.py", 40, 50, "torch_dtyp", "torch_dtype"),)),
        ),
        Finding("DT202", "late-dtype", "warning", Where("demo.ipynb", "cell 3", 7), "pipe is cast after it was moved"),
        replace(NARROWS, severity="note", where=unreadable, against=Where("unet/config.json"), component="unet", fix=None),
        Finding("DT201", "unknown-keyword", "error", Where("serve.py", line=20), "in a comment").mute("the old one", "source"),
        Finding("DT118", "bytes-wasted", "note", unreadable, "by the settings", pipeline=".").mute("disk is cheap", "settings"),
        Finding("DT118", "bytes-wasted", "note", unreadable, "known", pipeline=".").mute("of before", "baseline"),
    ]  # fmt: skip
    roots = {"": "models/sd xl", "serve.py": "ci/serve.py", "demo.ipynb": "demo.ipynb", "fine.py": "fine.py"}
    lines = {CALL: 'pipe = load("x", torch_dtyp=torch.float16)'}
    return Report(
        tuple(fingerprinted(found)), (pipeline,), request=pipeline.request, label="models/sd xl", roots=roots, lines=lines
    )


def gated(verdict: str = "do not deploy") -> Report:
    """The same, as a gate judged it."""
    gate = Gate(verdict, "vae/config.json:3: the config declares float16", ("no rehearsal: torch is not installed", HOSTILE))  # type: ignore[arg-type]
    return replace(mixed(), gate=gate)


def crowd(count: int) -> Report:
    """So many findings of each severity."""
    severities = ("error", "warning", "note")
    found = [
        Finding("DT201", "unknown-keyword", severities[n % 3], Where(f"s{n:04}.py", line=n + 1), f"finding {n} of many")  # type: ignore[arg-type]
        for n in range(3 * count)
    ]
    return Report(tuple(fingerprinted(found)))


REPORTS = {
    "mixed": mixed,
    "gated": gated,
    "black": black,
    "crashed": crashed,
    "healthy": healthy,
    "hostile": hostile,
    "crowd": lambda: crowd(40),
    "several": lambda: mixed().below("a") + crashed().below("b"),
    "empty": Report,
}
"""Every kind of report, by name."""
NASTY = (
    "",
    "a b",
    "\u00e4\u6f22\U0001f600",
    "\udcff\udc80",
    "\ud800",
    "a\nb",
    "\x1b[2J\x00\x07\x85",
    "%41%0A::error::x",
    "::stop-commands::x",
    "##[error]x",
    "@everyone/team a@b.de",
    "#12 GH-12",
    "![x](http://e.vil/i.png)",
    "[x](javascript:alert(1))",
    "<img src=x onerror=y>",
    "</details></table><script>",
    "|x|\n|-|-|",
    "`a``b`",
    "http://e.vil www.e.vil",
    "]]>&lt;",
    "c:\\x",
    "a:b,c",
    "{0}",
    "_x_ __y__ *z* ~~a~~ $x$",
    "\u202ex",
)
"""Texts of strangers: what each format has to spell otherwise."""


def by_stranger(text: str) -> Report:
    """A report in which the stranger chose every text that a model's files, or a script's name, can choose."""
    place = Where(f"{text}/x", text, 3)
    part = replace(component("vae", text, "diffusers", "vae", F16, 10), name=text)
    told = Finding(
        "DT102", "declared-dtype-narrows", "error", place, text, Where(text, text), text, text, Fix(text), (text,), component=text
    )
    found = fingerprinted([told, replace(told, severity="note"), told.mute(text, "source")])
    pipeline = Pipeline(text, text, "pipeline", (part,))
    gate = Gate("not proven", text, (text,))
    return Report(tuple(found), (pipeline,), label=text, roots={"": text, f"{text}.py": text}, lines={place: text}, gate=gate)
