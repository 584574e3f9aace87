"""Requests: what people type becomes dtypes, devices and versions, and what means nothing is refused with the nearest."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtypecheck.dtypes import BF16, F16, F32, F64, USUAL, DType
from dtypecheck.knowledge import Knowledge
from dtypecheck.request import NEWEST, WrongUse, check_names, dtypes, make, versions
from dtypecheck.subjects import Request


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an environment that has neither library."""

    def missing(name: str) -> NoReturn:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)


# dtypes


def test_no_dtype_asked_for_is_none() -> None:
    assert dtypes(None) == {}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("float16", {"": F16}),
        ("fp16", {"": F16}),
        ("half", {"": F16}),
        ("F16", {"": F16}),
        ("torch.float16", {"": F16}),
        ("bf16", {"": BF16}),
        ("float16,vae=float32", {"": F16, "vae": F32}),
        ("vae=fp32,half", {"": F16, "vae": F32}),
        (" float16 , vae = float32 ", {"": F16, "vae": F32}),
        ("vae=bfloat16", {"": F32, "vae": BF16}),
        ("vae=fp16,text_encoder_2=bf16", {"": F32, "vae": F16, "text_encoder_2": BF16}),
        ("double", {"": F64}),
    ],
)
def test_dtypes_are_read_by_component_and_the_rest_is_float32(text: str, wanted: dict[str, DType]) -> None:
    assert dtypes(text) == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("float17", "no dtype is called 'float17'; the nearest is float16"),
        ("auto", "no dtype is called 'auto'"),
        ("float16,vae=flaot32", "no dtype is called 'flaot32'; the nearest is float32"),
        ("vae=", "no dtype is called ''"),
        ("=", "no dtype is called ''"),
        ("=float16", "'=float16' names no component; write vae=float16"),
        ("float16,bfloat16", "two dtypes for all: fp16 and bf16"),
        ("vae=fp16,vae=fp16", "two dtypes for vae"),
        ("int8", "int8 is no dtype to load a pipeline in"),
        ("fp8", "fp8_e4m3 is no dtype to load"),
        ("vae=fp4", "fp4 is no dtype to load"),
        (",", "',' leaves a dtype out"),
        ("", "'' leaves a dtype out"),
        ("float16,", "'float16,' leaves a dtype out"),
        ("bool", "bool is no dtype"),
        ("vae:float16", "no dtype is called"),
    ],
)
def test_a_dtype_that_means_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(WrongUse) as caught:
        dtypes(text)
    assert words in str(caught.value)


@given(st.dictionaries(st.sampled_from(["", "vae", "unet", "a=b"]), st.sampled_from(USUAL), min_size=1))
def test_what_is_written_out_is_read_back(wanted: dict[str, DType]) -> None:
    text = ",".join(f"{name}={dtype.torch}" if name else dtype.torch for name, dtype in wanted.items())
    assert dtypes(text) == {"": F32} | wanted


# components


def test_components_that_a_pipeline_has_are_let_be() -> None:
    check_names(Request(dtypes("float16,vae=float32")), ["unet", "vae"])
    check_names(Request(dtypes("float16")), [])
    check_names(Request(), [])


@pytest.mark.parametrize(
    ("names", "end"),
    [
        (["unet", "vae"], "; the nearest is vae"),
        (["text_encoder", "transformer"], "; there are text_encoder, transformer"),
    ],
)
def test_an_unknown_component_is_refused_with_the_nearest(names: list[str], end: str) -> None:
    with pytest.raises(WrongUse) as caught:
        check_names(Request(dtypes("float16,vaee=float32")), names)
    assert str(caught.value) == f"no component is called 'vaee'{end}"


def test_names_are_not_judged_where_there_are_no_components() -> None:
    check_names(Request(dtypes("float16,vaee=float32")), [])


# devices


def device(name: str | None, known: Knowledge) -> str | None:
    return make(None, None, name, (), known).device


def test_no_device_is_assumed(known: Knowledge) -> None:
    assert device(None, known) is None


def test_every_device_is_found_by_its_header_and_each_alias_however_it_is_spelled(known: Knowledge) -> None:
    taken: dict[str, str] = {}
    for header, row in known.all("devices"):
        for alias in (header, *row.get("aliases", ())):
            spelled = f" {alias.upper()} ".replace(" ", "-")
            assert device(spelled, known) == header, spelled
            assert taken.setdefault(alias.lower(), header) == header


@pytest.mark.parametrize(
    "name", ["t4", "T4", "a100", "RTX 4090", "rtx-4090", "sm75", "SM_75", "cuda", "mps", "cpu", "xpu", "v100", "h100"]
)
def test_the_usual_words_name_a_device(known: Knowledge, name: str) -> None:
    assert device(name, known) in known.names("devices")


def test_here_is_the_device_of_this_machine(known: Knowledge) -> None:
    assert device("here", known) in ("cuda", "mps", "cpu")


def test_an_unknown_device_is_refused_with_the_nearest(known: Knowledge) -> None:
    with pytest.raises(WrongUse, match="no device is called 'cud'; the nearest is cuda"):
        device("cud", known)
    with pytest.raises(WrongUse, match=r"no device is called '~~~~'$"):
        device("~~~~", known)


# versions


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("transformers==4.57", "4.57"),
        ("transformers == 4.57.1", "4.57.1"),
        ("transformers@5", "5"),
        ("transformers=5.0.0rc1", "5.0.0rc1"),
        (" transformers==4.57 ", "4.57"),
    ],
)
def test_a_version_asked_for_wins(text: str, wanted: str) -> None:
    assert versions([text])[1] == ("transformers", wanted, "asked for")


def test_the_first_of_two_versions_asked_for_wins() -> None:
    assert versions(["diffusers==0.30", "diffusers==0.31"])[0] == ("diffusers", "0.30", "asked for")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "transformers",
        "transformers==",
        "transformers==new",
        "torch==2.4",
        "transformer==4.57",
        "==4.57",
        "transformers>=4.57",
        "4.57",
    ],
)
def test_a_library_that_means_nothing_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(WrongUse, match=r"is no library version; write transformers==4\.57"):
        versions([text])


def test_an_installed_library_is_what_the_plan_is_for() -> None:
    if not any(distribution.name == "diffusers" for distribution in metadata.distributions()):
        pytest.skip("diffusers is not installed")
    assert versions([])[0] == ("diffusers", metadata.version("diffusers"), "installed")


@pytest.mark.usefixtures("nothing_installed")
def test_without_any_hint_the_newest_known_version_is_assumed(tmp_path: Path) -> None:
    expected = tuple((name, NEWEST[name], "newest known") for name in ("diffusers", "transformers"))
    assert versions([]) == versions([], tmp_path) == expected


_PACKAGE = '[[package]]\nname = "{}"\nversion = "{}"\nsource = {{}}\n\n'
UV = "version = 1\n\n" + "".join(
    _PACKAGE.format(*pair) for pair in (("diffusers", "0.33.1"), ("transformers-extra", "9.9"), ("transformers", "4.49.0"))
)


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("uv.lock", UV, "4.49.0"),
        ("uv.lock", UV.replace("\n", "\r\n"), "4.49.0"),
        ("poetry.lock", '[[package]]\nname = "transformers"\nversion = "4.50.1"\ndescription = ""\n', "4.50.1"),
        ("pdm.lock", '[[package]]\nname = "transformers"\nversion = "4.51.0"\n', "4.51.0"),
        ("requirements.txt", "torch==2.4\ntransformers==4.45.2\n", "4.45.2"),
        ("requirements.txt", "Transformers[torch] == 4.45.2 ; python_version > '3.8'  # pinned\n", "4.45.2"),
        ("requirements.txt", "transformers==4.45.*\n", "4.45"),
        ("requirements.txt", "transformers==4.45.2 \\\n    --hash=sha256:0\n", "4.45.2"),
        ("requirements.lock", "transformers==4\n", "4"),
        ("requirements-dev.txt", "transformers==4.46\n", "4.46"),
    ],
)
def test_a_lock_file_tells_the_version(tmp_path: Path, name: str, text: str, wanted: str) -> None:
    (tmp_path / name).write_bytes(text.encode())
    assert versions([], tmp_path)[1] == ("transformers", wanted, name)


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(
    "text",
    [
        "transformers>=4.45\n",
        "# transformers==4.45\n",
        "transformers-stream-generator==0.0.5\n",
        "sentence-transformers==3.0\n",
        "transformers\n",
        "transformers===4.4\n",
        "\xff\xfe",
    ],
)
def test_a_requirements_file_that_pins_nothing_tells_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "requirements.txt").write_bytes(text.encode("latin-1"))
    assert versions([], tmp_path)[1][2] == "newest known"


@pytest.mark.usefixtures("nothing_installed")
def test_the_nearest_folder_upward_that_pins_the_library_tells_it(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "requirements.txt").write_text("transformers==4.40\ndiffusers==0.20\n")
    (tmp_path / "a" / "requirements.txt").write_text("transformers==4.41\n")
    (tmp_path / "a" / "uv.lock").write_text(UV)
    assert versions([], inner) == (("diffusers", "0.33.1", "uv.lock"), ("transformers", "4.49.0", "uv.lock"))
    (tmp_path / "a" / "uv.lock").unlink()
    assert versions([], inner) == (("diffusers", "0.20", "requirements.txt"), ("transformers", "4.41", "requirements.txt"))


def test_a_request_is_all_that_was_asked_for(known: Knowledge) -> None:
    request = make("float16,vae=float32", "fp16", "t4", ["diffusers==0.35", "transformers==4.57"], known)
    libraries = (("diffusers", "0.35", "asked for"), ("transformers", "4.57", "asked for"))
    assert request == Request({"": F16, "vae": F32}, "fp16", device("t4", known), libraries)
