"""Harvest reads a library's source and refreshes rows; what people wrote in them it leaves alone."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.harvest import Harvest, harvest, installed
from dtypecheck.harvest.rows import cut
from dtypecheck.harvest.source import library

RULES = Path(__file__).parents[2] / "rules"
NEWEST = {"diffusers": "0.42.1", "transformers": "5.23.0"}

MODEL = """
class WideTransformer(ModelMixin, ConfigMixin):
    _keep_in_fp32_modules = ["time_embedder", "norm1"]


class WiderTransformer(WideTransformer):
    pass


class PlainTransformer(ModelMixin):
    _keep_in_fp32_modules = None
"""

PIPELINE = """
class TinyPipeline(DiffusionPipeline):
    def __init__(self, vae: AutoencoderKL, text_encoder: CLIPTextModel | None, tokenizer: CLIPTokenizer, unet: UNet, steps: int):
        super().__init__()

    def __call__(self, prompt, image=None):
        latents = self.prepare_latents(4, prompt_embeds.dtype)
        for t in timesteps:
            latents = self.scheduler.step(self.unet(latents, t), t, latents)
        {decode}
        return image

    def prepare_latents(self, channels, dtype):
        return randn_tensor(dtype=dtype)
"""

SAME = "image = self.vae.decode(latents / self.vae.config.scaling_factor)[0]"
CAST = "image = self.vae.decode(latents.to(self.vae.dtype))[0]"
UPCAST = """needs_upcasting = self.vae.dtype == torch.float16 and self.vae.config.force_upcast
        if needs_upcasting:
            self.vae.to(dtype=torch.float32)
            latents = latents.to(self.vae.dtype)
        image = self.vae.decode(latents)[0]
        if needs_upcasting:
            self.vae.to(dtype=torch.float16)"""

TRANSFORMER = """
class TinyT5PreTrainedModel(PreTrainedModel):
    _keep_in_fp32_modules = ["wo"]


class TinyT5Encoder(TinyT5PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)


class TinyRouter(PreTrainedModel):
    _keep_in_fp32_modules_strict = {"gate.weight"}


class TinyComposite(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.encoder = TinyT5Encoder(config.text)
        self.router = TinyRouter._from_config(config.router)
        self.decoder = AutoModel.from_config(config.decoder)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """rules/ without rows, and a diffusers and a transformers of a few classes."""
    (tmp_path / "rules").mkdir()
    for name, version in (("diffusers", "9.1"), ("transformers", "9.2")):
        (tmp_path / name / "models" / "tiny").mkdir(parents=True)
        (tmp_path / name / "__init__.py").write_text(f'__version__ = "{version}"\n')
    (tmp_path / "diffusers/pipelines/tiny").mkdir(parents=True)
    (tmp_path / "diffusers/modular_pipelines").mkdir()
    (tmp_path / "diffusers/models/tiny/wide.py").write_text(MODEL)
    (tmp_path / "transformers/models/tiny/modeling_tiny.py").write_text(TRANSFORMER)
    decode(tmp_path, SAME)
    return tmp_path


def decode(place: Path, how: str) -> None:
    (place / "diffusers/pipelines/tiny/pipeline_tiny.py").write_text(PIPELINE.format(decode=how))


def run(place: Path) -> Harvest:
    return harvest(place / "rules", {name: place / name for name in ("diffusers", "transformers")})


def write(place: Path) -> Harvest:
    found = run(place)
    found.write(place / "rules")
    return found


def row(place: Path, table: str, name: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = tomllib.loads((place / "rules" / f"{table}.toml").read_text())[name]
    assert len(rows) == 1
    return rows[0]


def edit(place: Path, table: str, old: str, new: str) -> None:
    path = place / "rules" / f"{table}.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_nothing_is_written_before_somebody_asks(place: Path) -> None:
    assert run(place).diff
    assert list((place / "rules").iterdir()) == []


def test_a_second_harvest_finds_nothing_new(place: Path) -> None:
    write(place)
    assert run(place).diff == ""


def test_text_around_rows_that_say_the_same_stays_to_the_letter(place: Path) -> None:
    write(place)
    edit(place, "pipelines", "[[TinyPipeline]]\n", "# about the file\n\n[[TinyPipeline]]\n# about the row\n")
    assert "# about the row" in run(place).files["pipelines.toml"]
    assert run(place).diff == ""


@pytest.mark.parametrize(("how", "word"), [(SAME, "same"), (CAST, "cast"), (UPCAST, "upcast"), ("image = latents", "none")])
def test_a_pipeline_row_tells_how_the_vae_gets_its_latents(place: Path, how: str, word: str) -> None:
    decode(place, how)
    write(place)
    found = row(place, "pipelines", "TinyPipeline")
    assert found["decode"] == word
    assert found["reads_force_upcast"] == (word == "upcast")
    assert found["components"] == {"vae": "AutoencoderKL", "text_encoder": "CLIPTextModel", "unet": "UNet"}
    assert (found["denoisers"], found["latents"], found["embeds"]) == (["unet"], "prompt_embeds", "same")
    assert found["source"][0].startswith("diffusers@9.1:pipelines/tiny/pipeline_tiny.py:")


def test_encoding_in_a_helper_is_upcast_where_its_caller_upcasts(place: Path) -> None:
    before = (
        "if self.vae.config.force_upcast:\n            self.vae.to(dtype=torch.float32)\n        x = self.encode_image(image)"
    )
    helper = "def encode_image(self, image):\n        return self.vae.encode(image)"
    path = place / "diffusers/pipelines/tiny/pipeline_tiny.py"
    text = PIPELINE.format(decode=SAME).replace(
        "latents = self.prepare_latents(4", before + "\n        latents = self.prepare_latents(4"
    )
    path.write_text(text + "\n    " + helper + "\n")
    write(place)
    assert row(place, "pipelines", "TinyPipeline")["encode"] == "upcast"
    assert "lowers" not in row(place, "pipelines", "TinyPipeline")
    path.write_text(path.read_text().replace("self.encode_image(image)", "self.encode_image(image)\n        self.vae.to(dtype)"))
    write(place)
    assert row(place, "pipelines", "TinyPipeline")["lowers"] is True


def test_a_changed_category_is_in_the_diff_and_a_generated_sentence_follows_it(place: Path) -> None:
    write(place)
    decode(place, CAST)
    diff = write(place).diff
    assert 'TinyPipeline.decode: "same" -> "cast"' in diff
    assert "Casts the latents" in row(place, "pipelines", "TinyPipeline")["why"]


def test_what_people_wrote_in_a_row_stays_when_the_rest_changes(place: Path) -> None:
    write(place)
    why = row(place, "pipelines", "TinyPipeline")["why"]
    edit(place, "pipelines", f'why = "{why}"', 'why = "ours"\nruns = [{ vae = "F32" }]\nodd = 1')
    edit(place, "pipelines", 'source = ["diffusers@', 'source = ["https://example.org", "diffusers@')
    decode(place, CAST)
    write(place)
    found = row(place, "pipelines", "TinyPipeline")
    assert (found["decode"], found["why"], found["runs"], found["odd"]) == ("cast", "ours", [{"vae": "F32"}], 1)
    assert found["source"][-1] == "https://example.org"


def test_a_key_that_is_held_by_hand_is_not_refreshed(place: Path) -> None:
    write(place)
    edit(place, "pipelines", 'decode = "same"', 'decode = "upcast"\nfixed = ["decode"]')
    decode(place, CAST)
    write(place)
    assert row(place, "pipelines", "TinyPipeline")["decode"] == "upcast"


def test_a_row_that_is_held_by_hand_is_left_alone_and_gets_no_twin(place: Path) -> None:
    write(place)
    edit(place, "pipelines", 'decode = "same"', 'decode = "none"\nby_hand = true')
    decode(place, CAST)
    write(place)
    assert row(place, "pipelines", "TinyPipeline")["decode"] == "none"


def test_a_new_class_gets_a_row_where_it_sorts(place: Path) -> None:
    write(place)
    (place / "diffusers/pipelines/tiny/pipeline_older.py").write_text(PIPELINE.format(decode=CAST).replace("Tiny", "Older"))
    assert "+ [[OlderPipeline]]" in write(place).diff
    assert [block.name for block in cut((place / "rules/pipelines.toml").read_text())[1]] == ["OlderPipeline", "TinyPipeline"]


def test_a_class_that_went_is_named_and_its_row_stays(place: Path) -> None:
    write(place)
    (place / "diffusers/pipelines/tiny/pipeline_tiny.py").write_text("")
    assert "? [[TinyPipeline]] is no longer in diffusers" in write(place).diff
    assert row(place, "pipelines", "TinyPipeline")


def test_a_diffusers_list_is_inherited_and_an_empty_one_gives_no_row(place: Path) -> None:
    write(place)
    assert row(place, "keep_in_fp32", "WiderTransformer")["keep"] == ["norm1", "time_embedder"]
    assert "PlainTransformer" not in (place / "rules/keep_in_fp32.toml").read_text()


def test_a_transformers_class_gets_the_lists_of_the_models_it_makes_itself(place: Path) -> None:
    write(place)
    found = row(place, "keep_in_fp32", "TinyComposite")
    assert (found["keep"], found["keep_strict"]) == (["wo"], ["gate.weight"])
    assert row(place, "keep_in_fp32", "TinyT5Encoder")["source"] == ["transformers@9.2:models/tiny/modeling_tiny.py:3"]
    assert "TinyT5PreTrainedModel" not in (place / "rules/keep_in_fp32.toml").read_text()


def test_rows_of_older_versions_are_left_alone(place: Path) -> None:
    write(place)
    path = place / "rules/keep_in_fp32.toml"
    old = (
        '[[WideTransformer]]\nlibrary = "diffusers"\nkeep = ["norm1"]\nuntil = "9"\nsource = ["diffusers@8.0:models/wide.py:3"]\n'
    )
    path.write_text(old + "\n" + path.read_text())
    assert run(place).diff == ""
    assert run(place).files["keep_in_fp32.toml"].startswith(old)


def test_one_library_alone_leaves_the_rows_of_the_other(place: Path) -> None:
    write(place)
    assert harvest(place / "rules", {"transformers": place / "transformers"}).diff == ""


def test_rules_of_an_installed_package_are_not_written(place: Path) -> None:
    with pytest.raises(ValueError, match="belongs to an installed package"):
        run(place).write(place / "site-packages" / "dtypecheck" / "_rules")


def newest(*names: str) -> dict[str, Path]:
    """The installed libraries of the versions that the rules are of; skips where they are not installed."""
    found = {name: path for name in names if (path := installed(name))}
    versions = {name: library(name, path, ()).version for name, path in found.items()}
    if versions != {name: NEWEST[name] for name in names}:
        pytest.skip(f"the rules are of {NEWEST}, installed are {versions or 'none of them'}")
    return found


def test_what_classes_keep_here_is_what_the_installed_transformers_says() -> None:
    assert harvest(RULES, newest("transformers")).diff == ""


@pytest.mark.slow
def test_the_rules_here_are_what_the_installed_libraries_say() -> None:
    assert harvest(RULES, newest("diffusers", "transformers")).diff == ""
