"""Pictures that turn out black, white or uniform, and those that do not: real processors, pipelines, checkers and files."""

from __future__ import annotations

import gc
import io
import sys
import threading
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import transformers
from diffusers.image_processor import InpaintProcessor, VaeImageProcessor, VaeImageProcessorLDM3D
from diffusers.pipelines.stable_diffusion import StableDiffusionPipelineOutput
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from diffusers.utils import export_to_gif, numpy_to_pil, pt_to_pil
from diffusers.video_processor import VideoProcessor
from PIL import Image

from dtypecheck.runs.watch import album
from dtypecheck.runs.watch.history import History
from dtypecheck.runs.watch.looks import Looks, Reduction, _batched, colour_of
from dtypecheck.runs.watch.pictures import Pictures
from dtypecheck.runs.watch.training import Training
from dtypecheck.subjects.numbers import Picture
from tests.loading import tiny

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def pictures() -> Iterator[Pictures]:
    """Following pictures; whatever failed in there fails the test."""
    with Pictures() as followed:
        yield followed
    assert followed.faults == []


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8


def told(pictures: Pictures) -> list[tuple[str, int, int, str, str]]:
    return [(it.verdict, it.number, it.of, it.seen, it.colour) for it in pictures.seen()]


def follow(pipe: Any, pictures: Pictures) -> None:
    """Tell of what the decoder gives, as whoever listens to modules does."""
    decode = pipe.vae.decode

    def decoding(*args: Any, **kwargs: Any) -> Any:
        result = decode(*args, **kwargs)
        pictures.decoded(result)
        return result

    pipe.vae.decode = decoding


def sd15(checker: Any = None) -> Any:
    torch.manual_seed(0)
    pipe = tiny.sd15()
    pipe.set_progress_bar_config(disable=True)
    if checker is not None:
        extractor = transformers.CLIPImageProcessor(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8})
        pipe.register_modules(safety_checker=checker, feature_extractor=extractor)
    return pipe


def call(pipe: Any, many: int = 1, **options: Any) -> Any:
    embeds = noise(1, 12, 16).to(pipe.dtype)
    return pipe(
        prompt_embeds=embeds, negative_prompt_embeds=embeds, height=16, width=16, num_inference_steps=1,
        num_images_per_prompt=many, **options,
    )  # fmt: skip


# A whole pipeline


def test_a_picture_is_one_from_the_decoder_to_its_file(pictures: Pictures) -> None:
    pipe = sd15()
    follow(pipe, pictures)
    images = call(pipe, 2).images
    images[1].save(Path.cwd() / "second.png")
    assert pictures.seen() == (
        Picture("ok", 1, 2, "postprocess"),
        Picture("ok", 2, 2, "postprocess", path="second.png"),
    )


@pytest.mark.parametrize(
    ("bias", "verdict", "colour"),
    [
        (NAN, "nan", "black"),
        (INF, "inf", "white"),
        (-INF, "inf", "black"),
        (50.0, "uniform", "white"),
        (-50.0, "uniform", "black"),
    ],
)
@pytest.mark.parametrize("kind", ["pil", "np", "pt"])
@pytest.mark.parametrize("decoding", [True, False])
def test_what_the_decoder_gave_decides_how_a_picture_is_called(
    pictures: Pictures, bias: float, verdict: str, colour: str, kind: str, decoding: bool
) -> None:
    pipe = sd15()
    pipe.vae.decoder.conv_out.bias.data[:] = bias
    if decoding:
        follow(pipe, pictures)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        call(pipe, 2, output_type=kind)
    seen = "decode" if decoding and verdict in ("nan", "inf") else "postprocess"
    assert told(pictures) == [(verdict, 1, 2, seen, colour), (verdict, 2, 2, seen, colour)]


def test_a_half_vae_that_overflows_makes_a_black_picture(pictures: Pictures) -> None:
    pipe = sd15().to(torch.bfloat16)
    pipe.vae.half()
    pipe.vae.decoder.conv_in.weight.data *= 1e4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        image = pipe.image_processor.postprocess(pipe.vae.decode(noise(1, 4, 8, 8).half() * 60, return_dict=False)[0].detach())[0]
    assert image.getextrema() == ((0, 0),) * 3
    assert told(pictures) == [("nan", 1, 1, "postprocess", "black")]


def test_latents_that_are_asked_for_are_no_pictures(pictures: Pictures) -> None:
    call(sd15(), output_type="latent")
    assert pictures.seen() == ()


def test_pictures_of_several_calls_are_told_apart() -> None:
    calls = iter([3, 3, 4])
    processor = VaeImageProcessor()
    with Pictures(call=lambda: next(calls)) as pictures:
        processor.postprocess(noise(1, 3, 8, 8), "pt")
        processor.postprocess(noise(1, 3, 8, 8), "pt")
        processor.postprocess(noise(1, 3, 8, 8), "pt")
    assert [it.call for it in pictures.seen()] == [3, 3, 4]


# One of several


def test_only_the_picture_that_is_bad_is_called_so_and_parts_are_told_from_the_whole(pictures: Pictures) -> None:
    batch = noise(4, 3, 8, 8)
    batch[1] = NAN
    batch[2, 1, 3, 4] = NAN
    batch[3, 0, :2] = INF
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        VaeImageProcessor().postprocess(batch)
    assert told(pictures) == [
        ("ok", 1, 4, "postprocess", ""),
        ("nan", 2, 4, "postprocess", "black"),
        ("nan", 3, 4, "postprocess", "partly black"),
        ("inf", 4, 4, "postprocess", "partly white"),
    ]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_float_is_read_and_inference_tensors_are(pictures: Pictures, dtype: torch.dtype) -> None:
    with torch.inference_mode():
        batch = noise(2, 3, 8, 8).to(dtype)
        batch[0] = -INF
        VaeImageProcessor().postprocess(batch, "pt")
    assert [it.verdict for it in pictures.seen()] == ["inf", "ok"]


def test_a_picture_of_one_colour_is_uniform_and_one_pixel_makes_it_none(pictures: Pictures) -> None:
    batch = torch.full((4, 3, 40, 40), 0.0)
    batch[1, :, 17, 23] = 0.5
    batch[2, 0] = 1.0
    batch[2, 1:] = -1.0
    batch[3, 0] = noise(40, 40)
    VaeImageProcessor().postprocess(batch)
    assert [(it.verdict, it.colour) for it in pictures.seen()] == [
        ("uniform", "grey 128"),
        ("ok", ""),
        ("uniform", "rgb 255 0 0"),
        ("ok", ""),
    ]


# Video


def test_a_video_of_one_look_is_one_picture(pictures: Pictures) -> None:
    processor = VideoProcessor()
    for kind in ("pil", "np", "pt"):
        processor.postprocess_video(noise(2, 3, 5, 8, 8), kind)
    processor.postprocess_video(torch.full((1, 3, 5, 8, 8), NAN), "np")
    processor.postprocess_video(torch.full((1, 3, 5, 8, 8), 1.0), "pil")
    assert told(pictures) == [
        *[("ok", number, 2, "postprocess", "") for _ in range(3) for number in (1, 2)],
        ("nan", 1, 1, "postprocess", "black"),
        ("uniform", 1, 1, "postprocess", "white"),
    ]


def test_frames_of_a_video_are_told_apart_where_some_are_bad(pictures: Pictures) -> None:
    video = noise(1, 3, 5, 8, 8)
    video[:, :, 3] = NAN
    frames = VideoProcessor().postprocess_video(video, "pt")
    assert frames.shape[:2] == (1, 5)
    assert [(it.verdict, it.number, it.of) for it in pictures.seen()] == [
        ("ok", 1, 5), ("ok", 2, 5), ("ok", 3, 5), ("nan", 4, 5), ("ok", 5, 5),
    ]  # fmt: skip


def test_a_video_that_was_decoded_in_pieces_is_one(pictures: Pictures) -> None:
    pieces = [noise(3, 3, 8, 8), noise(3, 3, 8, 8), noise(2, 3, 8, 8)]
    pieces[1][0, 0, 0, 0] = INF
    for piece in pieces:
        pictures.decoded(piece)
    video = torch.cat(pieces)[None].permute(0, 2, 1, 3, 4).clamp(-1, 1)
    VideoProcessor().postprocess_video(video, "np")
    assert told(pictures) == [("inf", 1, 1, "decode", "partly white")]


# From the decoder on


def test_what_was_clamped_or_replaced_after_the_decoder_is_still_what_it_was(pictures: Pictures) -> None:
    for number, bad in enumerate((INF, NAN)):
        decoded = noise(2, 3, 8, 8)
        decoded[1] = bad
        pictures.decoded(diffusers.models.autoencoders.vae.DecoderOutput(sample=decoded), f"vae.decoder.layer{number}")
        VaeImageProcessor().postprocess(decoded.nan_to_num(0.0, 1.0, -1.0).clamp(-1, 1))
    bad_ones = [it for it in pictures.seen() if it.verdict != "ok"]
    assert [(it.verdict, it.number, it.of, it.seen, it.producer) for it in bad_ones] == [
        ("inf", 2, 2, "decode", "vae.decoder.layer0"),
        ("nan", 2, 2, "decode", "vae.decoder.layer1"),
    ]
    assert len(pictures.seen()) == 4


def test_a_picture_that_was_decoded_again_is_judged_by_the_second_try(pictures: Pictures) -> None:
    pictures.decoded((torch.full((1, 3, 8, 8), NAN),))
    pictures.decoded((noise(1, 3, 8, 8),))
    VaeImageProcessor().postprocess(noise(1, 3, 8, 8))
    assert told(pictures) == [("ok", 1, 1, "postprocess", "")]


def test_what_is_only_decoded_is_told_of_too(pictures: Pictures) -> None:
    pictures.decoded(torch.full((1, 3, 8, 8), NAN))
    pictures.decoded(torch.full((2, 3, 8, 8), -1.0))
    pictures.decoded(torch.full((1, 1, 8, 8), -1.0))  # one channel: a sound, as likely as a picture
    pictures.decoded(noise(1, 7))
    pictures.decoded("nothing")
    assert told(pictures) == [
        ("nan", 1, 1, "decode", "black"),
        ("uniform", 1, 2, "decode", "black"),
        ("uniform", 2, 2, "decode", "black"),
        ("ok", 1, 1, "decode", ""),
    ]


def test_a_preview_of_an_earlier_call_is_not_taken_for_this_picture() -> None:
    number = [1]
    with Pictures(call=lambda: number[0]) as pictures:
        pictures.decoded(torch.full((1, 3, 8, 8), NAN))
        number[0] = 2
        VaeImageProcessor().postprocess(noise(1, 3, 8, 8))
    assert [(it.verdict, it.call) for it in pictures.seen()] == [("nan", 1), ("ok", 2)]


# Older ways


def test_the_old_way_over_arrays_is_followed(pictures: Pictures) -> None:
    pipe = sd15()
    follow(pipe, pictures)
    latents = noise(1, 4, 8, 8)
    with torch.no_grad():
        array = pipe.decode_latents(latents)
        pipe.numpy_to_pil(array)[0].save("old.png")
        pipe.vae.decoder.conv_out.bias.data[:] = INF
        array = pipe.decode_latents(latents)  # clamps: inf is white in it
        pipe.numpy_to_pil(array)
    assert told(pictures) == [("ok", 1, 1, "postprocess", ""), ("inf", 1, 1, "decode", "white")]
    assert pictures.seen()[0].path == "old.png"


def test_functions_that_people_import_are_followed() -> None:
    with Pictures() as pictures:
        from diffusers import utils

        array = noise(2, 8, 8, 3).numpy() * 0.3 + 0.5
        array[1] = NAN
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            utils.numpy_to_pil(array)
            utils.pt_to_pil(noise(1, 3, 8, 8))
    assert [it.verdict for it in pictures.seen()] == ["ok", "nan", "ok"]
    assert pictures.faults == []
    assert utils.numpy_to_pil is numpy_to_pil
    assert utils.pt_to_pil is pt_to_pil


def test_processors_of_other_kinds_are_followed(pictures: Pictures) -> None:
    bad = noise(1, 6, 8, 8)
    bad[0, 0] = NAN

    class Own(VaeImageProcessor):
        def postprocess(self, image: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            return super().postprocess(image[:, :3], *args, **kwargs)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        rgb, depth = VaeImageProcessorLDM3D().postprocess(bad, "np")
        InpaintProcessor().postprocess(bad[:, :3])
        image = Own().postprocess(noise(1, 4, 8, 8))[0]
    image.save("own.png")
    assert [(it.verdict, it.path) for it in pictures.seen()] == [("nan", ""), ("nan", ""), ("ok", "own.png")]
    assert (len(rgb), len(depth)) == (1, 1)


# The safety checker


def checker(threshold: float) -> StableDiffusionSafetyChecker:
    made = tiny.safety_checker()
    made.concept_embeds_weights.data[:] = threshold
    made.special_care_embeds_weights.data[:] = 2.0
    return made


def test_a_picture_that_the_safety_checker_blanked_is_called_so(pictures: Pictures) -> None:
    images = call(sd15(checker(-2.0)), 2).images
    images[0].save("blank.png")
    assert images[0].getextrema() == ((0, 0),) * 3
    assert told(pictures) == [("safety-checker", number, 2, "postprocess", "black") for number in (1, 2)]
    assert pictures.seen()[0].path == "blank.png"


def test_a_safety_checker_that_finds_nothing_blanks_nothing(pictures: Pictures) -> None:
    call(sd15(checker(2.0)), 2)
    assert [it.verdict for it in pictures.seen()] == ["ok", "ok"]


def test_nan_is_the_cause_whatever_the_safety_checker_says(pictures: Pictures) -> None:
    pipe = sd15(checker(-2.0))
    pipe.vae.decoder.conv_out.bias.data[:] = NAN
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        call(pipe)
    assert [it.verdict for it in pictures.seen()] == ["nan"]


def test_any_checker_is_believed_by_what_the_pipeline_returns(pictures: Pictures) -> None:
    class Own(torch.nn.Module):
        dtype, device = torch.float32, torch.device("cpu")

        def forward(self, images: torch.Tensor, clip_input: torch.Tensor) -> tuple[torch.Tensor, list[bool]]:
            images[1] = 0.0
            return images, [False, True]

    result = call(sd15(Own()), 2)
    assert result.nsfw_content_detected == [False, True]
    assert [(it.verdict, it.number) for it in pictures.seen()] == [("ok", 1), ("safety-checker", 2)]


def test_a_checker_of_arrays_before_they_become_pictures_is_heard(pictures: Pictures) -> None:
    array = np.random.default_rng(0).random((1, 8, 8, 3))
    checker(-2.0)(images=array, clip_input=torch.zeros(1, 3, 8, 8))
    assert not array.any()
    VaeImageProcessor.numpy_to_pil(array)
    assert [it.verdict for it in pictures.seen()] == ["safety-checker"]


# Files


def test_the_file_is_named_as_people_write_it(pictures: Pictures, tmp_path: Path) -> None:
    images = VaeImageProcessor().postprocess(noise(5, 3, 8, 8))
    (tmp_path / "out").mkdir()
    images[0].save("out/a.png")
    images[1].save(str(tmp_path / "out" / "b.png"))
    images[2].save(io.BytesIO(), "PNG")
    with open("out/c.png", "wb") as file:
        images[3].save(file, "PNG")
    images[0].save("again.png")
    assert [it.path for it in pictures.seen()] == ["out/a.png", "out/b.png", "", "out/c.png", ""]


def test_frames_of_an_animation_are_those_that_were_converted(pictures: Pictures) -> None:
    images = VaeImageProcessor().postprocess(noise(3, 3, 8, 8))
    export_to_gif(images, "moving.gif")
    assert [it.path for it in pictures.seen()] == ["moving.gif"] * 3


def test_one_frame_of_an_array_is_known_as_that_frame(pictures: Pictures) -> None:
    arrays = VaeImageProcessor().postprocess(noise(3, 3, 8, 8), "np")
    tensors = VaeImageProcessor().postprocess(noise(3, 3, 8, 8), "pt")
    assert [one.number for one in pictures.album.found(arrays[2])] == [3]
    assert [one.number for one in pictures.album.found(tensors[1])] == [2]
    assert [one.number for one in pictures.album.found(arrays)] == [1, 2, 3]
    assert pictures.album.found(np.zeros(3)) == []


def test_a_picture_of_the_users_own_making_belongs_to_what_was_decoded(pictures: Pictures) -> None:
    decoded = torch.full((1, 3, 8, 8), NAN)
    pictures.decoded(decoded)
    Image.fromarray((decoded[0].nan_to_num() * 255).byte().permute(1, 2, 0).numpy()).save("mine.png")
    assert [(it.verdict, it.path) for it in pictures.seen()] == [("nan", "mine.png")]


def test_a_black_file_made_of_a_black_picture_is_no_second_one(pictures: Pictures) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        image = VaeImageProcessor().postprocess(torch.full((1, 3, 8, 8), NAN))[0]
    image.resize((16, 16)).save("large.png")
    assert [(it.verdict, it.path) for it in pictures.seen()] == [("nan", "large.png")]


def test_other_files_are_news_only_where_they_are_uniform(pictures: Pictures) -> None:
    Image.effect_noise((8, 8), 50).save("noise.png")
    Image.new("RGB", (8, 8), (255, 0, 0)).save("red.png")
    assert [(it.verdict, it.colour, it.path, it.seen) for it in pictures.seen()] == [
        ("uniform", "rgb 255 0 0", "red.png", "save")
    ]


def test_other_savers_are_followed(pictures: Pictures) -> None:
    imageio = pytest.importorskip("imageio")
    array = np.full((8, 8, 3), 255, dtype=np.uint8)
    imageio.imwrite("white.png", array)
    assert [(it.verdict, it.colour, it.path) for it in pictures.seen()] == [("uniform", "white", "white.png")]


# NumPy's warning


@pytest.fixture
def warned() -> Iterator[list[warnings.WarningMessage]]:
    """Warnings as they are shown: what takes the place of that afterwards stands above this."""
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        yield shown


def test_numpys_warning_is_followed_by_the_picture_that_it_is_about(
    warned: list[warnings.WarningMessage], capsys: pytest.CaptureFixture[str]
) -> None:
    batch = noise(2, 3, 8, 8)
    batch[1] = NAN
    with Pictures():
        VaeImageProcessor().postprocess(batch)
    assert [str(it.message) for it in warned] == ["invalid value encountered in cast"]
    assert capsys.readouterr().err == "dtypecheck: image 2 of 2 was NaN before it became a picture\n"


def test_a_cast_of_the_users_own_is_about_what_was_decoded_last(
    warned: list[warnings.WarningMessage], capsys: pytest.CaptureFixture[str]
) -> None:
    with Pictures(explain=lambda picture: f"see {picture.producer}") as pictures:
        decoded = torch.full((1, 3, 8, 8), NAN)
        pictures.decoded(decoded, "vae.decoder.conv_out")
        (decoded[0].numpy() * 255).astype("uint8")
    assert len(warned) == 1
    assert capsys.readouterr().err == "see vae.decoder.conv_out\n"


def test_a_cast_that_has_nothing_to_do_with_pictures_gets_no_line(
    warned: list[warnings.WarningMessage], capsys: pytest.CaptureFixture[str]
) -> None:
    with Pictures():
        np.full(3, NAN).astype("uint8")
        VaeImageProcessor().postprocess(noise(1, 3, 8, 8))
    assert len(warned) == 1
    assert capsys.readouterr().err == ""


# Called back


def test_whoever_asked_is_called_once_for_each_bad_picture() -> None:
    heard: list[Picture] = []
    with Pictures(heard.append) as pictures, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        batch = noise(3, 3, 8, 8)
        batch[1] = NAN
        pictures.decoded(batch)
        assert [it.number for it in heard] == [2]
        for image in VaeImageProcessor().postprocess(batch):
            image.save("it.png")
        VaeImageProcessor().postprocess(torch.full((1, 3, 8, 8), INF))
        VaeImageProcessor().postprocess(torch.full((1, 3, 8, 8), 1.0))
    assert [(it.verdict, it.number) for it in heard] == [("nan", 2), ("inf", 1)]


def test_what_the_callback_raises_reaches_the_script_and_nothing_is_left_behind() -> None:
    def refuse(picture: Picture) -> None:
        raise FloatingPointError(picture.verdict)

    with Pictures(refuse) as pictures:
        with pytest.raises(FloatingPointError, match="inf"):
            VaeImageProcessor().postprocess(torch.full((1, 3, 8, 8), INF))
        VaeImageProcessor().postprocess(noise(1, 3, 8, 8))
    assert [it.verdict for it in pictures.seen()] == ["inf", "ok"]
    assert pictures.faults == []


# It leaves the program alone


def places() -> list[object]:
    """Every function that something is put in the place of, and the finders."""
    from diffusers import utils

    return [
        vars(VaeImageProcessor)["postprocess"],
        vars(VaeImageProcessor)["numpy_to_pil"],
        vars(VaeImageProcessorLDM3D)["postprocess"],
        vars(InpaintProcessor)["postprocess"],
        vars(VideoProcessor)["postprocess_video"],
        vars(diffusers.DiffusionPipeline)["numpy_to_pil"],
        vars(StableDiffusionSafetyChecker)["forward"],
        vars(StableDiffusionPipelineOutput)["__init__"],
        vars(Image.Image)["save"],
        utils.export_to_gif,
        utils.export_to_video,
        warnings.showwarning,
        *sys.meta_path,
    ]


def test_everything_is_as_it_was_afterwards_also_after_an_exception() -> None:
    before = places()
    replaced: list[bool] = []

    def break_off() -> None:
        with Pictures():
            replaced.extend(now is not then for now, then in zip(places(), before, strict=False))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert all(replaced[: -len(sys.meta_path)])
    assert [now is then for now, then in zip(places(), before, strict=True)] == [True] * len(before)


def test_somebody_elses_way_to_show_warnings_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(*_: Any, **__: Any) -> None: ...

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with Pictures():
        warnings.showwarning = other  # type: ignore[assignment]
    assert warnings.showwarning is other


@pytest.mark.parametrize("kind", ["pil", "np", "pt"])
def test_what_a_script_gets_is_what_it_gets_without(kind: str) -> None:
    def image() -> Any:
        torch.manual_seed(0)
        return call(sd15(), 2, output_type=kind).images

    plain = image()
    with Pictures():
        watched = image()
    assert type(watched) is type(plain)
    assert all(np.array_equal(np.asarray(one), np.asarray(other)) for one, other in zip(plain, watched, strict=True))


def test_an_error_of_the_processor_is_the_users_own(pictures: Pictures) -> None:
    with pytest.raises(ValueError, match="incorrect format"):
        VaeImageProcessor().postprocess("no tensor")
    VaeImageProcessor().postprocess(noise(1, 3, 8, 8))
    assert [it.verdict for it in pictures.seen()] == ["ok"]


def test_pictures_are_not_kept_alive(pictures: Pictures) -> None:
    batch = noise(1, 3, 8, 8)
    pictures.decoded(batch)
    images = VaeImageProcessor().postprocess(batch)
    gone = [weakref.ref(thing) for thing in (batch, images[0])]
    del batch, images
    gc.collect()
    assert [it() for it in gone] == [None, None]
    assert len(pictures.seen()) == 1


def test_threads_do_not_mix_their_pictures(pictures: Pictures) -> None:
    gate = threading.Barrier(2)

    def work(value: float) -> None:
        decoded = torch.full((1, 3, 8, 8), value)
        pictures.decoded(decoded)
        gate.wait(timeout=60)
        VaeImageProcessor().postprocess(decoded.clamp(-1, 1) + 0.0, "pt")

    threads = [threading.Thread(target=work, args=(value,)) for value in (INF, 0.5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted((it.verdict, it.seen) for it in pictures.seen()) == [("inf", "decode"), ("uniform", "postprocess")]


def test_a_server_keeps_the_bad_ones(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(album, "MOST", 5)
    processor = VaeImageProcessor()
    processor.postprocess(torch.full((1, 3, 4, 4), NAN), "pt")
    for _ in range(8):
        processor.postprocess(noise(1, 3, 4, 4), "pt")
    assert [it.verdict for it in pictures.seen()] == ["nan", "ok", "ok", "ok", "ok"]


def test_what_fails_in_here_is_noted_and_the_script_gets_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def hostile() -> int:
        raise ZeroDivisionError("hostile")

    with Pictures(call=hostile) as pictures:
        image = VaeImageProcessor().postprocess(noise(1, 3, 8, 8))[0]
    assert image.size == (8, 8)
    assert pictures.faults == ["_taken: ZeroDivisionError: hostile"]


def test_compiled_models_and_optimizers_stay_whole() -> None:
    net = tiny.unet(False)
    arguments = noise(1, 4, 8, 8), 1, noise(1, 12, 16)
    plain = net(*arguments).sample
    with History() as history, Pictures() as pictures, Training() as training:
        compiled = torch.compile(net, backend="eager", fullgraph=True)
        assert torch.equal(compiled(*arguments).sample, plain)
        torch.compile(tiny.kl().decoder, backend="eager", fullgraph=True)(noise(1, 4, 4, 4))
        net.bfloat16()
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)
        for parameter in net.parameters():
            parameter.grad = torch.ones_like(parameter)
        torch.compile(optimizer.step, backend="eager")()
    assert [*history.faults, *pictures.faults, *training.faults] == []


def test_what_holds_no_numbers_is_left_alone_and_odd_arrays_are_read(pictures: Pictures) -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    processor = VaeImageProcessor()
    with FakeTensorMode():
        processor.postprocess(torch.rand(1, 3, 8, 8), "pt")
    processor.postprocess(torch.rand(1, 3, 8, 8, device="meta"), "pt")
    processor.postprocess(torch.rand(0, 3, 8, 8), "pt")
    pictures.decoded(torch.rand(1, 3, 8, 8, device="meta"))
    assert pictures.seen() == ()
    array = np.random.default_rng(0).random((8, 8, 3))
    for odd in (array[::-1], array.astype(">f4"), array.astype("float16"), np.stack([array[..., :1]] * 2)):
        VaeImageProcessor.numpy_to_pil(odd)
    processor.postprocess(noise(1, 3, 8, 8).requires_grad_(), "pt").sum().backward()
    assert [it.verdict for it in pictures.seen()] == ["ok"] * 6


# How things look


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (Image.new("RGB", (9, 9)), "black"),
        (Image.new("RGB", (9, 9), (7, 7, 7)), "grey 7"),
        (Image.new("RGBA", (9, 9), (255, 255, 255, 0)), "white"),
        (Image.new("L", (1, 1), 255), "white"),
        (Image.new("LA", (9, 9), (3, 255)), "grey 3"),
        (Image.new("1", (9, 9), 1), "white"),
        (Image.new("P", (9, 9), 0), "black"),
        (Image.new("I;16", (9, 9), 257 * 4), "grey 4"),
        (Image.new("CMYK", (9, 9)), "white"),
        (Image.new("F", (9, 9), 0.5), ""),
        (Image.linear_gradient("L"), ""),
    ],
)
def test_the_colour_of_an_image_that_has_but_one(image: Image.Image, colour: str) -> None:
    assert colour_of(image, True) == colour


def test_one_pixel_between_those_that_are_looked_at_first_is_found() -> None:
    image = Image.new("RGB", (50, 50))
    image.putpixel((3, 3), (0, 1, 0))
    assert colour_of(image, True) == ""
    array = np.zeros((50, 50, 3), dtype=np.uint8)
    array[3, 3, 1] = 1
    assert colour_of(array, True) == ""
    assert colour_of(np.zeros((50, 50)), True) == "black"


@pytest.mark.parametrize(
    ("values", "looks"),
    [
        ([0.0, 0.5], Looks()),
        ([NAN, NAN], Looks("nan", "black")),
        ([NAN, INF], Looks("nan", "partly black")),
        ([INF, -INF], Looks("inf", "partly white")),
        ([-INF, 0.0], Looks("inf", "partly black")),
        ([-5.0, -1.0], Looks("uniform", "black")),
        ([0.5, 0.5], Looks("uniform", "grey 191")),
    ],
)
def test_how_numbers_look(values: list[float], looks: Looks) -> None:
    tensor = torch.tensor([values])
    assert Reduction(tensor).looks() == (looks,)
    elsewhere = Reduction(tensor)
    elsewhere._looks, elsewhere._pending = None, _batched(tensor.half())  # as on other devices than the CPU
    assert elsewhere.looks() == (looks,)
