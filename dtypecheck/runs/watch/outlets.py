"""Which functions of which library make pictures of numbers, check them, or write them to files: one line for each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Outlet:
    """Functions of a module, or methods of one class of it. pixels, path: of savers, which arguments say what and where to."""

    module: str
    owner: str
    names: tuple[str, ...]
    pixels: int = 0
    path: int = 1

    def places(self, module: ModuleType) -> Iterator[tuple[Any, str]]:
        """Where each stands in the installed version."""
        place = getattr(module, self.owner, None) if self.owner else module
        for name in self.names:
            if place is not None and name in vars(place):
                yield place, name


CONVERTERS: Final = (
    Outlet("diffusers.image_processor", "VaeImageProcessor", ("postprocess",)),
    Outlet("diffusers.image_processor", "InpaintProcessor", ("postprocess",)),
    Outlet("diffusers.image_processor", "VaeImageProcessorLDM3D", ("postprocess",)),
    Outlet("diffusers.video_processor", "VideoProcessor", ("postprocess_video",)),
    Outlet("diffusers.modular_pipelines.flux3.image_processor", "Flux3ImageProcessor", ("postprocess",)),
    Outlet("diffusers.pipelines.deprecated.blip_diffusion.blip_image_processing", "BlipImageProcessor", ("postprocess",)),
    Outlet("diffusers.image_processor", "VaeImageProcessor", ("numpy_to_pil",)),
    Outlet("diffusers.image_processor", "VaeImageProcessorLDM3D", ("numpy_to_pil",)),
    Outlet("diffusers.pipelines.pipeline_utils", "DiffusionPipeline", ("numpy_to_pil",)),
    Outlet("diffusers.utils", "", ("numpy_to_pil",)),
    Outlet("diffusers.utils", "", ("pt_to_pil",)),
)
"""Functions are changed where people import them from; a library's own modules keep what they imported from one another."""
CHECKERS: Final = (
    Outlet("diffusers.pipelines.stable_diffusion.safety_checker", "StableDiffusionSafetyChecker", ("forward", "forward_onnx")),
    Outlet("diffusers.pipelines.deepfloyd_if.safety_checker", "IFSafetyChecker", ("forward",)),
)
OUTPUTS: Final = tuple(
    Outlet(f"diffusers.pipelines.{place}", owner, ("__init__",))
    for place, owner in (
        ("stable_diffusion.pipeline_output", "StableDiffusionPipelineOutput"),
        ("t2i_adapter.pipeline_stable_diffusion_adapter", "StableDiffusionAdapterPipelineOutput"),
        ("deepfloyd_if.pipeline_output", "IFPipelineOutput"),
        ("ledits_pp.pipeline_output", "LEditsPPDiffusionPipelineOutput"),
    )
)
"""What pipelines with a safety checker return. Their base class is no place: compiled models make such objects too."""
SAVERS: Final = (
    Outlet("PIL.Image", "Image", ("save",)),
    Outlet("diffusers.utils", "", ("export_to_video", "export_to_gif")),
    Outlet("imageio", "", ("imwrite", "imsave", "mimwrite", "mimsave"), pixels=1, path=0),
    Outlet("imageio.v2", "", ("imwrite", "imsave", "mimwrite", "mimsave"), pixels=1, path=0),
    Outlet("imageio.v3", "", ("imwrite",), pixels=1, path=0),
    Outlet("cv2", "", ("imwrite",), pixels=1, path=0),
    Outlet("torchvision.utils", "", ("save_image",)),
    Outlet("torchvision.io", "", ("write_png", "write_jpeg")),
    Outlet("torchvision.io", "", ("write_video",), pixels=1, path=0),
)
_PATHS: Final = ("fp", "filename", "uri", "output_video_path", "output_gif_path", "file")
_PIXELS: Final = ("video_frames", "image", "ims", "im", "img", "tensor", "input", "video_array")


def path_of(outlet: Outlet, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The file that a saver was given, as people write it: from the working directory, or its name alone; "" for a stream."""
    value = _argument(outlet.path, _PATHS, args, kwargs)
    value = getattr(value, "name", None) if hasattr(value, "write") else value
    if not isinstance(value, (str, os.PathLike)):
        return ""
    path, here = Path(value), Path.cwd()
    if path.is_absolute():
        path = path.relative_to(here) if path.is_relative_to(here) else Path(path.name)
    return path.as_posix()


def pixels_of(outlet: Outlet, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The pictures that a saver was given, one by one where it was given several."""
    value = _argument(outlet.pixels, _PIXELS, args, kwargs)
    found = list(value) if isinstance(value, (list, tuple)) else [value]
    more = kwargs.get("append_images")
    return [it for it in (*found, *(more if isinstance(more, (list, tuple)) else ())) if it is not None]


def _argument(place: int, names: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[place] if len(args) > place else next((kwargs[name] for name in names if name in kwargs), None)


Make = Callable[[Callable[..., Any]], Callable[..., Any]]
