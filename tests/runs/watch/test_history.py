"""Where a module has its dtype from: scripts that load, build, cast and adapt real classes, and what is told of them."""

from __future__ import annotations

import copy
import gc
import pickle
import runpy
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import diffusers
import pytest
import torch
import transformers

from dtypecheck.dtypes import BF16, F16, F32, DType
from dtypecheck.runs.script.trace import Script
from dtypecheck.runs.watch.history import History
from dtypecheck.runs.watch.story import Adapter, Cast, Load, Story, remedy, why
from tests.loading import tiny


@dataclass
class Played:
    """A script that ran under a history, and what it left."""

    history: History
    names: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.names[name]

    def of(self, name: str, part: str = "") -> Story:
        module = self.names[name]
        told = self.history.of(getattr(module, part) if part else module, part or name)
        assert told is not None
        return told


Play = Callable[[str], Played]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small pipelines of random weights, saved; one text encoder whose files are in half."""
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("models")
    for name in ("sd15", "sdxl", "sd3"):
        tiny.PIPELINES[name]().save_pretrained(place / name)
    tiny.PIPELINES["wan"]().transformer.save_pretrained(place / "wan")
    tiny.clip(projection=True).half().save_pretrained(place / "half")
    return place


@pytest.fixture
def play(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Run a script under a history, from a folder where the models lie."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for model in models.iterdir():
        (tmp_path / model.name).symlink_to(model)

    def run(text: str) -> Played:
        path = tmp_path / "serve.py"
        path.write_text(dedent(text).lstrip())
        history = History(Script(path, "serve.py"))
        with history:
            names = runpy.run_path(str(path))
        assert history.faults == []
        return Played(history, names)

    return run


# Loaded


def test_a_text_encoder_loaded_without_a_dtype_is_named_with_its_line_and_the_remedy(play: Play) -> None:
    told = play("""
        import torch
        from transformers import CLIPTextModelWithProjection

        text_encoder_2 = CLIPTextModelWithProjection.from_pretrained("half")
        """).of("text_encoder_2")
    assert told.load == Load(
        "serve.py:4", "CLIPTextModelWithProjection.from_pretrained", "transformers", keyword="dtype", source="half"
    )
    assert why(told, F16, F32) == "loaded at serve.py:4 without dtype, so in fp16 as its files say"
    assert remedy(told, F16, F32) == "pass dtype=torch.float32 where text_encoder_2 is loaded (serve.py:4)"
    assert why(told, F16, F16) == ""


def test_the_word_for_the_dtype_is_the_one_that_the_script_uses_elsewhere(play: Play) -> None:
    played = play("""
        import torch
        from diffusers import AutoencoderKL

        vae = AutoencoderKL.from_pretrained("sdxl", subfolder="vae")
        other = AutoencoderKL.from_pretrained("sdxl", subfolder="vae", torch_dtype=torch.float16)
        """)
    assert why(played.of("vae"), F32, F16) == "loaded at serve.py:4 without torch_dtype"
    assert remedy(played.of("vae"), F32, F16) == "pass torch_dtype=torch.float16 where vae is loaded (serve.py:4)"
    assert why(played.of("other"), F16, F32) == "loaded at serve.py:5 with torch_dtype=torch.float16"


def test_a_string_is_no_dtype_for_diffusers_and_one_for_transformers(play: Play) -> None:
    played = play("""
        from diffusers import AutoencoderKL
        from transformers import CLIPTextModel

        vae = AutoencoderKL.from_pretrained("sdxl", subfolder="vae", torch_dtype="float16")
        encoder = CLIPTextModel.from_pretrained("sdxl", subfolder="text_encoder", dtype="float16")
        """)
    assert played["vae"].dtype is torch.float32
    assert played["encoder"].dtype is torch.float16
    assert why(played.of("vae"), F32, F16) == (
        "loaded at serve.py:4 with torch_dtype='float16': a string is no dtype for diffusers, which takes fp32"
    )
    assert (
        remedy(played.of("vae"), F32, F16)
        == "pass torch_dtype=torch.float16 instead of 'float16' where vae is loaded (serve.py:4)"
    )
    assert why(played.of("encoder"), F16, F32) == "loaded at serve.py:5 with dtype='float16'"


def test_every_part_of_a_pipeline_loaded_whole_has_its_line_and_one_passed_in_keeps_its_own(play: Play) -> None:
    played = play("""
        import torch
        from diffusers import DiffusionPipeline, AutoencoderKL

        vae = AutoencoderKL.from_pretrained("sdxl", subfolder="vae", torch_dtype=torch.float32)
        pipe = DiffusionPipeline.from_pretrained(
            "sdxl", vae=vae, variant=None, torch_dtype={"unet": torch.float16, "text_encoder": torch.bfloat16}
        )
        """)
    lines = {name: played.of("pipe", name).load for name in ("vae", "unet", "text_encoder", "text_encoder_2")}
    assert {name: load and (load.line, load.asked, load.named) for name, load in lines.items()} == {
        "vae": ("serve.py:4", F32, True),
        "unet": ("serve.py:5", F16, True),
        "text_encoder": ("serve.py:5", BF16, True),
        "text_encoder_2": ("serve.py:5", F32, False),
    }
    assert why(played.of("pipe", "text_encoder_2"), F32, F16) == (
        "loaded at serve.py:5 with a table of dtypes that does not name text_encoder_2, so in fp32"
    )
    assert remedy(played.of("pipe", "text_encoder_2"), F32, F16) == (
        'write "text_encoder_2": torch.float16 into the table of dtypes where the pipeline is loaded (serve.py:5)'
    )


def test_the_loader_is_called_as_the_script_calls_it(play: Play, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text(
        dedent("""
        from transformers import CLIPTextModel

        def load():
            return CLIPTextModel.from_pretrained("sdxl/text_encoder")
        """)
    )
    played = play("""
        import torch
        from diffusers import AutoPipelineForText2Image
        from transformers import AutoModel
        import elsewhere

        pipe = AutoPipelineForText2Image.from_pretrained("sdxl", dtype=torch.float16)
        encoder = AutoModel.from_pretrained("half")
        helped = elsewhere.load()
        """)
    loads = [played.of("pipe", "unet").load, played.of("encoder").load, played.of("helped").load]
    assert [load and (load.line, load.loader) for load in loads] == [
        ("serve.py:6", "AutoPipelineForText2Image.from_pretrained"),
        ("serve.py:7", "AutoModel.from_pretrained"),
        ("elsewhere.py:5", "CLIPTextModel.from_pretrained"),
    ]


def test_a_single_file_and_a_bare_config_are_known(play: Play) -> None:
    played = play("""
        import torch
        from diffusers import AutoencoderKL, QwenImageTransformer2DModel

        small = QwenImageTransformer2DModel(
            in_channels=8, out_channels=2, num_layers=1, attention_head_dim=16, num_attention_heads=2,
            joint_attention_dim=8, axes_dims_rope=(4, 6, 6),
        )
        small.save_pretrained("qwen")
        single = QwenImageTransformer2DModel.from_single_file(
            "qwen/diffusion_pytorch_model.safetensors", config="qwen", torch_dtype=torch.bfloat16
        )
        bare = AutoencoderKL.from_config("sdxl/vae")
        """)
    load = played.of("single").load
    assert load
    assert (load.line, load.loader, load.asked) == ("serve.py:9", "QwenImageTransformer2DModel.from_single_file", BF16)
    assert played.of("single").casts == ()
    assert why(played.of("bare"), F32, F16) == (
        "built at serve.py:12 by AutoencoderKL.from_config(...), in fp32 as torch builds every module"
    )


def test_what_a_class_keeps_in_float32_is_told_as_that(play: Play) -> None:
    told = play("""
        import torch
        from transformers import T5EncoderModel

        t5 = T5EncoderModel.from_pretrained("sd3", subfolder="text_encoder_3", dtype=torch.float16)
        """).of("t5")
    assert why(told, F32, F16) == "loaded at serve.py:4 in fp16, and its class keeps wo in fp32"
    assert remedy(told, F32, F16) == ""


# Built


def test_of_what_the_script_builds_the_root_is_known_and_nothing_in_it(play: Play) -> None:
    played = play("""
        import torch
        from diffusers import AutoencoderKL

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.first = torch.nn.Linear(2, 2)
                self.vae = AutoencoderKL(block_out_channels=(32,))

        net = Net()
        vae = AutoencoderKL(
            block_out_channels=(32,),
        )
        """)
    known = played.history._loads.items()
    assert [(type(module).__name__, load.line) for module, load in known] == [
        ("Net", "serve.py:10"),
        ("AutoencoderKL", "serve.py:11"),
    ]
    assert why(played.of("vae"), F32, BF16) == "built at serve.py:11 by AutoencoderKL(...), in fp32 as torch builds every module"
    assert remedy(played.of("vae"), F32, BF16) == "cast vae with .to(torch.bfloat16) after it is built (serve.py:11)"


# Cast


def test_half_that_undid_a_keep_list_is_told_with_both_lines(play: Play) -> None:
    told = play("""
        import torch
        from transformers import T5EncoderModel

        t5 = T5EncoderModel.from_pretrained("sd3", subfolder="text_encoder_3", dtype=torch.float16)
        t5.eval()
        t5.half()
        """).of("t5")
    assert told.casts == (Cast("serve.py:6", ".half()", F16, undid=("wo",)),)
    assert why(told, F16, F32) == "cast by .half() at serve.py:6, which undid the class's keep list (wo)"
    assert remedy(told, F16, F32) == "leave out .half() at serve.py:6"


def test_a_cast_in_place_of_the_loaders_dtype_is_sent_back_to_the_loader(play: Play) -> None:
    told = play("""
        import torch
        from diffusers import WanTransformer3DModel

        transformer = WanTransformer3DModel.from_pretrained("wan")
        transformer.to("cpu", torch.bfloat16)
        """).of("transformer")
    assert told.casts[0].undid == ("time_embedder", "scale_shift_table", "norm2")
    assert why(told, BF16, F32) == (
        "cast by .to(torch.bfloat16) at serve.py:5, which undid the class's keep list (time_embedder, scale_shift_table, norm2)"
    )
    assert remedy(told, BF16, F32) == (
        "leave out .to(torch.bfloat16) at serve.py:5 and pass dtype=torch.bfloat16 where transformer is loaded (serve.py:4)"
    )


@pytest.mark.parametrize(
    "line",
    [
        't5 = T5EncoderModel.from_pretrained("sd3/text_encoder_3").bfloat16()',
        't5 = T5EncoderModel.from_pretrained("sd3/text_encoder_3", dtype=torch.bfloat16).half()',
        't5 = CLIPTextModel.from_pretrained("sd3/text_encoder").half()',
        't5 = T5EncoderModel.from_pretrained("sd3/text_encoder_3").to(torch.float32)',
    ],
)
def test_a_cast_that_takes_nothing_from_a_keep_list_undid_none(play: Play, line: str) -> None:
    told = play(f"import torch\nfrom transformers import CLIPTextModel, T5EncoderModel\n{line}").of("t5")
    assert [cast.undid for cast in told.casts] == [()]


def test_a_move_is_no_cast(play: Play) -> None:
    told = play("""
        import torch
        from diffusers import DiffusionPipeline

        pipe = DiffusionPipeline.from_pretrained("sdxl", torch_dtype=torch.float16).to("cpu")
        pipe.unet.to(memory_format=torch.channels_last).to(torch.device("cpu")).cpu().train().eval()
        """).of("pipe", "unet")
    assert told.casts == ()


def test_a_cast_of_the_whole_pipeline_is_known_by_all_parts(play: Play) -> None:
    played = play("""
        import torch
        from diffusers import DiffusionPipeline

        pipe = DiffusionPipeline.from_pretrained("sd15", tokenizer=None)
        pipe.to(torch.float16)
        pipe.vae.float()
        """)
    assert played.of("pipe", "unet").casts == (Cast("serve.py:5", ".to(torch.float16)", F16, whole=True),)
    assert why(played.of("pipe", "unet"), F16, F32) == "cast with the whole pipeline by .to(torch.float16) at serve.py:5"
    assert why(played.of("pipe", "vae"), F32, F16) == "cast by .float() at serve.py:6"
    assert remedy(played.of("pipe", "vae"), F32, F16) == "cast vae with .to(torch.float16) instead of .float() at serve.py:6"


def test_from_pipe_casts_the_original_too_and_is_named_for_it(play: Play) -> None:
    played = play("""
        import torch
        from diffusers import StableDiffusionPipeline, StableDiffusionImg2ImgPipeline

        pipe = StableDiffusionPipeline.from_pretrained("sd15", tokenizer=None, torch_dtype=torch.float16)
        other = StableDiffusionImg2ImgPipeline.from_pipe(pipe)
        """)
    assert played["pipe"].unet.dtype is torch.float32
    assert why(played.of("pipe", "unet"), F32, F16) == "cast to fp32 by from_pipe() at serve.py:5"
    assert remedy(played.of("pipe", "unet"), F32, F16) == "pass torch_dtype=torch.float16 to from_pipe at serve.py:5"


def test_a_cast_of_a_part_of_what_holds_it_and_of_each_of_its_modules_belongs_to_it(play: Play) -> None:
    played = play("""
        import torch
        from diffusers import AutoencoderKL
        from transformers import CLIPTextModel

        vae = AutoencoderKL.from_pretrained("sdxl/vae")
        vae.decoder.half()
        holder = torch.nn.ModuleDict({"encoder": CLIPTextModel.from_pretrained("sdxl/text_encoder")})
        holder.bfloat16()
        encoder = holder["encoder"]
        other = CLIPTextModel.from_pretrained("sdxl/text_encoder")
        for module in other.modules():
            if isinstance(module, torch.nn.Linear):
                module.half()
        """)
    assert why(played.of("vae"), F16, F32) == "cast in part (decoder) by .half() at serve.py:6"
    assert remedy(played.of("vae"), F16, F32) == "cast vae.decoder with .to(torch.float32) instead of .half() at serve.py:6"
    assert why(played.of("encoder"), BF16, F32) == "cast by .bfloat16() at serve.py:8"
    (cast,) = played.of("other").casts
    assert cast.part == f"{sum(isinstance(part, torch.nn.Linear) for part in played['other'].modules())} parts"


def test_what_a_pipeline_casts_while_it_runs_is_the_librarys_doing_and_kept_once(play: Play) -> None:
    told = play("""
        import torch
        from diffusers import DiffusionPipeline

        pipe = DiffusionPipeline.from_pretrained("sdxl", torch_dtype=torch.float16)
        pipe.vae.register_to_config(force_upcast=True)
        embeds, pooled = torch.randn(1, 12, 32).half(), torch.randn(1, 16).half()
        for _ in range(3):
            pipe(prompt_embeds=embeds, negative_prompt_embeds=embeds, pooled_prompt_embeds=pooled,
                 negative_pooled_prompt_embeds=pooled, height=16, width=16, num_inference_steps=1)
        """).of("pipe", "vae")
    assert [(cast.through, cast.dtype, cast.line) for cast in told.casts] == [
        ("upcast_vae", F32, "serve.py:8"),
        ("StableDiffusionXLPipeline", F16, "serve.py:8"),
    ]
    assert why(told, F32, F16) == "cast to fp32 by upcast_vae() at serve.py:8"
    assert remedy(told, F32, F16) == ""


def test_layerwise_casting_leaves_no_trace_of_its_own_casts(play: Play) -> None:
    played = play("""
        import torch
        from diffusers import AutoencoderKL

        vae = AutoencoderKL.from_pretrained("sdxl/vae", torch_dtype=torch.float32)
        vae.enable_layerwise_casting(storage_dtype=torch.bfloat16, compute_dtype=torch.float32)
        vae.decode(torch.randn(1, 4, 4, 4))
        """)
    assert played.of("vae").casts == ()


# Adapters


def test_a_lora_in_float32_over_half_layers_is_told(play: Play) -> None:
    played = play("""
        import torch
        from peft import LoraConfig, get_peft_model
        from transformers import CLIPTextModel

        encoder = CLIPTextModel.from_pretrained("sdxl/text_encoder", dtype=torch.bfloat16)
        tuned = get_peft_model(encoder, LoraConfig(r=2, target_modules=["q_proj"]))
        """)
    adapter = Adapter("serve.py:6", "get_peft_model", "LoRA", "default", F32, BF16)
    assert played.of("encoder").adapters == played.of("tuned").adapters == (adapter,)
    assert why(played.of("tuned"), F32, BF16) == "given a LoRA in fp32 at serve.py:6 (get_peft_model), over bf16 layers"
    assert remedy(played.of("encoder"), F32, BF16) == (
        "cast encoder with .to(torch.bfloat16) after get_peft_model at serve.py:6, or pass autocast_adapter_dtype=False"
    )
    assert why(played.of("tuned"), BF16, F32) == "loaded at serve.py:5 with dtype=torch.bfloat16"


def test_a_lora_that_a_pipeline_loads_is_told_and_its_dtype_is_that_of_now(play: Play) -> None:
    played = play("""
        import torch
        from diffusers import StableDiffusionPipeline
        from peft import LoraConfig
        from peft.utils import get_peft_model_state_dict

        pipe = StableDiffusionPipeline.from_pretrained("sd15", tokenizer=None, torch_dtype=torch.float16)
        pipe.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q"]))
        pipe.save_lora_weights("lora", unet_lora_layers=get_peft_model_state_dict(pipe.unet))
        fresh = StableDiffusionPipeline.from_pretrained("sd15", tokenizer=None, torch_dtype=torch.float16)
        fresh.load_lora_weights("lora", adapter_name="style")
        """)
    told = played.of("fresh", "unet")
    assert told.adapters == (Adapter("serve.py:10", "load_lora_weights", "LoRA", "style", F16, F16),)
    assert not told.adapters[0].differs
    for name, parameter in played["fresh"].unet.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
    told = played.of("fresh", "unet")
    assert (told.adapters[0].dtype, told.adapters[0].base) == (F32, F16)
    assert why(told, F32, F16) == "given a LoRA in fp32 at serve.py:10 (load_lora_weights), over fp16 layers"


def test_a_fused_lora_is_told(play: Play) -> None:
    played = play("""
        import torch
        from diffusers import StableDiffusionPipeline
        from peft import LoraConfig

        pipe = StableDiffusionPipeline.from_pretrained("sd15", tokenizer=None, torch_dtype=torch.float16)
        pipe.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q"]))
        pipe.unet.fuse_lora()
        """)
    assert [(it.line, it.kind) for it in played.of("pipe", "unet").adapters] == [
        ("serve.py:6", "LoRA"),
        ("serve.py:7", "fused LoRA"),
    ]


# It leaves the program alone


def test_modules_are_not_changed_pickle_and_copy_as_before_and_die_when_dropped(play: Play) -> None:
    played = play("""
        import torch
        from diffusers import AutoencoderKL

        vae = AutoencoderKL.from_pretrained("sdxl/vae")
        vae.half()
        """)
    plain = diffusers.AutoencoderKL.from_pretrained("sdxl/vae").half()
    vae = played["vae"]
    assert list(vae.state_dict()) == list(plain.state_dict())
    assert set(vars(vae)) == set(vars(plain))
    assert all(torch.equal(*pair) for pair in zip(pickle.loads(pickle.dumps(vae)).parameters(), plain.parameters(), strict=True))
    assert played.history.of(copy.deepcopy(vae)) is None
    gone = weakref.ref(vae)
    del vae
    played.names.clear()
    gc.collect()
    assert gone() is None
    assert played.history._loads.items() == []
    assert len(played.history._loads) == len(played.history._casts) == 0


def places() -> list[object]:
    """Every function that a history puts something in the place of, and the finders."""
    from diffusers.loaders.ip_adapter import IPAdapterMixin
    from diffusers.loaders.peft import PeftAdapterMixin
    from diffusers.loaders.single_file_model import FromOriginalModelMixin
    from peft.tuners.tuners_utils import BaseTuner

    names = ("to", "half", "float", "double", "bfloat16", "type", "__init__")
    loaders = [diffusers.ModelMixin, diffusers.DiffusionPipeline, transformers.PreTrainedModel, diffusers.ConfigMixin]
    return [
        *[vars(torch.nn.Module)[name] for name in names],
        *[vars(kind).get("from_pretrained", vars(kind).get("from_config")) for kind in loaders],
        vars(FromOriginalModelMixin)["from_single_file"],
        vars(BaseTuner)["inject_adapter"],
        vars(PeftAdapterMixin)["fuse_lora"],
        vars(IPAdapterMixin)["load_ip_adapter"],
        vars(transformers.AutoModel)["from_pretrained"],
        *sys.meta_path,
    ]


def test_everything_is_as_it_was_afterwards_also_after_an_exception() -> None:
    before = places()
    replaced: list[bool] = []

    def break_off() -> None:
        with History():
            replaced.extend(now is not then for now, then in zip(places()[-len(before) :], before, strict=True))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert all(replaced[: -len(sys.meta_path)])
    assert all(now is then for now, then in zip(places(), before, strict=True))
    assert len(places()) == len(before)


def test_a_loader_that_fails_raises_its_own_error_and_leaves_no_story(play: Play) -> None:
    with pytest.raises(OSError, match="nowhere"):
        play('from diffusers import AutoencoderKL\nAutoencoderKL.from_pretrained("nowhere")')
    played = play(
        'import torch\nnet = torch.nn.Linear(2, 2)\ntry:\n    net.to("nothing")\nexcept RuntimeError:\n    pass\nnet.half()'
    )
    assert [cast.line for cast in played.of("net").casts] == ["serve.py:7"]


def test_what_fails_in_here_is_noted_and_the_cast_goes_on() -> None:
    class Hostile(torch.nn.Module):
        _keep_in_fp32_modules = ("it",)

        def __init__(self) -> None:
            super().__init__()
            self.it = torch.nn.Linear(2, 2)

        def named_parameters(self, *_: Any, **__: Any) -> Any:
            raise ZeroDivisionError("hostile")

    with History() as history:
        net = Hostile().half()
    assert net.it.weight.dtype is torch.float16
    assert history.faults == ["wide: ZeroDivisionError: hostile"]
    assert history.of(net) is not None


def test_modules_of_odd_kinds_are_cast_as_ever() -> None:
    class Unhashable(torch.nn.Module):
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            raise ZeroDivisionError

        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(2, 2)

    class Unborn(torch.nn.Module):
        def __init__(self) -> None:
            pass

    with History() as history:
        odd = Unhashable().to(torch.zeros(1, dtype=torch.bfloat16))
        with pytest.raises(AttributeError, match="_modules"):
            Unborn().half()
        scripted = torch.jit.script(torch.nn.Linear(2, 2)).half()
        with torch.device("meta"):
            ghost = torch.nn.Linear(2, 2).half()
        torch.nn.LazyLinear(3).half()
    for module in (odd, scripted, ghost, odd.inner):
        told = history.of(module)
        assert told is not None
        assert len(told.casts) == 1
    assert history.faults == []


def test_histories_of_two_watches_one_in_the_other_both_hear_it() -> None:
    with History() as outer:
        with History() as inner:
            net = torch.nn.Linear(2, 2)
            net.half()
        net.float()
    told = [history.of(net) for history in (outer, inner)]
    assert [[cast.dtype for cast in story.casts] for story in told if story] == [[F16, F32], [F16]]


def test_without_a_script_the_users_files_are_those_that_are_not_installed(models: Path) -> None:
    with History() as history:
        vae = diffusers.AutoencoderKL.from_pretrained(models / "sdxl", subfolder="vae")
    told = history.of(vae)
    assert told is not None
    assert told.load is not None
    assert told.load.line.startswith(("tests/runs/watch/test_history.py:", "test_history.py:"))


def test_threads_that_load_at_once_have_their_own_lines(models: Path) -> None:
    found: dict[str, torch.nn.Module] = {}

    def load_vae() -> None:
        found["vae"] = diffusers.AutoencoderKL.from_pretrained(models / "sdxl", subfolder="vae")

    def load_encoder() -> None:
        found["encoder"] = transformers.CLIPTextModel.from_pretrained(models / "sdxl" / "text_encoder")

    with History() as history:
        threads = [threading.Thread(target=act) for act in (load_vae, load_encoder)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    stories = {name: history.of(module) for name, module in found.items()}
    lines = {name: story.load.line.rpartition(":")[2] for name, story in stories.items() if story and story.load}
    assert lines == {
        "vae": str(load_vae.__code__.co_firstlineno + 1),
        "encoder": str(load_encoder.__code__.co_firstlineno + 1),
    }


def test_what_wraps_a_module_has_its_story(models: Path) -> None:
    with History() as history:
        vae = diffusers.AutoencoderKL.from_pretrained(models / "sdxl", subfolder="vae")
        compiled = torch.compile(vae, backend="eager")
    assert history.of(compiled) == history.of(vae)
    assert history.of(torch.nn.Linear(2, 2)) is None


def test_libraries_that_are_imported_later_are_heard_and_none_need_be_there(models: Path, tmp_path: Path) -> None:
    """In a fresh interpreter: the libraries come after the history, and in another none of them can be had."""
    later = f"""
        import sys
        from dtypecheck.runs.watch.history import History
        from dtypecheck.runs.watch.pictures import Pictures
        assert "diffusers" not in sys.modules and "PIL" not in sys.modules
        with History() as history, History() as second, Pictures() as pictures:
            from diffusers import AutoencoderKL
            from PIL import Image
            vae = AutoencoderKL.from_pretrained({str(models / "sdxl" / "vae")!r}, torch_dtype="float16")
            Image.new("RGB", (8, 8)).save("black.png")
        print(history.of(vae).load.said, second.of(vae).load.line)
        print(pictures.seen()[0].path)
        print(history.faults, second.faults, pictures.faults)
        """
    without = """
        import sys
        for name in ("diffusers", "transformers", "PIL", "peft", "numpy"):
            sys.modules[name] = None
        import torch
        from dtypecheck.runs.watch.history import History
        from dtypecheck.runs.watch.pictures import Pictures
        from dtypecheck.runs.watch.training import Training
        with History() as history, Pictures() as pictures, Training() as training:
            net = torch.nn.Linear(2, 2).half()
            pictures.decoded(torch.zeros(1, 3, 4, 4))
        print(history.of(net).casts[0].how, pictures.seen()[0].verdict, history.faults, pictures.faults, training.faults)
        """
    said = []
    for name, text in (("later.py", later), ("without.py", without)):
        (tmp_path / name).write_text(dedent(text))
        done = subprocess.run(
            [sys.executable, "-W", "ignore", name], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr
        said += done.stdout.splitlines()
    assert said == ["'float16' later.py:9", "black.png", "[] [] []", ".half() uniform [] [] []"]


# Words alone


LOADED = Load("serve.py:14", "AutoencoderKL.from_pretrained", "diffusers")


@pytest.mark.parametrize(
    ("story", "now", "expected", "said", "todo"),
    [
        (Story("AutoencoderKL"), F32, F16, "", ""),
        (
            Story("AutoencoderKL", "vae", LOADED),
            F32, F16,
            "loaded at serve.py:14 without torch_dtype",
            "pass torch_dtype=torch.float16 where vae is loaded (serve.py:14)",
        ),
        (
            Story("AutoencoderKL", "", Load("serve.py:14", "x", "diffusers", variant="fp16")),
            F32, F16,
            "loaded at serve.py:14 with variant='fp16' and without torch_dtype",
            "pass torch_dtype=torch.float16 where the AutoencoderKL is loaded (serve.py:14)",
        ),
        (
            Story("AutoencoderKL", "vae", Load("a.py:1", "x", "diffusers", said="torch.float16", asked=F16)),
            F32, F16,
            "loaded at a.py:1 in fp16; nothing was seen to cast it after that",
            "",
        ),
        (
            Story("AutoencoderKL", "vae", LOADED, (Cast("a.py:3", ".half()", F16), Cast("a.py:4", ".float()", F32))),
            F32, F16,
            "cast by .float() at a.py:4",
            "cast vae with .to(torch.float16) instead of .float() at a.py:4",
        ),
    ],
)  # fmt: skip
def test_a_story_in_words(story: Story, now: DType, expected: DType, said: str, todo: str) -> None:
    assert (why(story, now, expected), remedy(story, now, expected)) == (said, todo)
    assert why(story, now, now) == ""
