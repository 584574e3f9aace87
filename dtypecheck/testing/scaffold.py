"""A new rule, whole: the module with its page, a test that holds at once, and what a plugin needs around it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .. import checks
from ..request import WrongUse
from ..rule import find, rules

ABOUT: Final = ("files", "scripts")


@dataclass(frozen=True, slots=True)
class Made:
    """A rule that is not written yet. files: paths from the project's folder, and their texts; advice: what is left to do."""

    code: str
    files: Mapping[str, str]
    advice: tuple[str, ...] = ()

    def write(self, root: Path) -> None:
        """Write the files. errors: WrongUse, before anything is written, where one is there already."""
        if there := [name for name in self.files if (root / name).exists()]:
            raise WrongUse(f"{root / there[0]} is there already")
        for name, text in self.files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, "utf-8")


def new_rule(name: str, root: Path, about: str = "files", code: str | None = None) -> Made:
    """A rule of this name in the project of a folder: dtypecheck's own checkout, a plugin, or one that begins here.

    about: files or scripts. code: by default the next free one. errors: WrongUse for a name or a code that is no good or taken.
    """
    words = re.findall(r"[A-Z]?[a-z0-9]+", name)
    if not words or not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([-_ ][A-Za-z0-9]+)*", name):
        raise WrongUse(f"{name!r} is no name for a rule; name the fault, as weights-in-float64")
    checks.load()
    kebab, snake = "-".join(words).lower(), "_".join(words).lower()
    if find(kebab):
        raise WrongUse(f"there is a rule called {kebab!r} already")
    texts = {"NAME": snake, "CLASS": "".join(word.capitalize() for word in words)}
    own = root / "dtypecheck" / "checks" / about
    if own.is_dir():
        texts |= {"CODE": code or _next_of_ours("DT1" if about == "files" else "DT2"), "FROM": f"dtypecheck.checks.{about}"}
        module, test = f"dtypecheck/checks/{about}/{snake}.py", f"tests/checks/test_{snake}.py"
        return Made(
            texts["CODE"],
            {module: _filled(_RULE[about].replace("from dtypecheck.", "from ..."), texts), test: _filled(_TEST, texts)},
        )
    folder, package, advice = _package(root)
    texts |= {
        "CODE": code or _next(root / folder, package),
        "FROM": package,
        "PACKAGE": package,
        "PROJECT": package.replace("_", "-"),
    }
    if not re.fullmatch(r"[A-Z]{2,8}[0-9]{2,4}", texts["CODE"]) or re.match(r"DT[0-9]", texts["CODE"]):
        raise WrongUse(f"{texts['CODE']!r} is no code for a plugin's rule: letters other than DT, and digits, as ABC101")
    files = {f"{folder}/{snake}.py": _RULE[about], f"tests/test_{snake}.py": _TEST}
    if not (root / folder / "__init__.py").exists():
        files[f"{folder}/__init__.py"] = _INIT
    if not (root / "pyproject.toml").exists():
        files["pyproject.toml"] = _PROJECT
    return Made(texts["CODE"], {path: _filled(text, texts) for path, text in files.items()}, advice)


def _package(root: Path) -> tuple[str, str, tuple[str, ...]]:
    """The folder and the name of the package that a project's rules go into, and what its pyproject.toml still wants."""
    path = root / "pyproject.toml"
    if not path.exists():
        package = _plain(root.resolve().name)
        return package, package, ("pip install -e .",)
    try:
        data: Any = tomllib.loads(path.read_text("utf-8"))
        project = data.get("project", {})
        entries = dict(project.get("entry-points", {}).get("dtypecheck.checks", {}))
        package = str(next(iter(entries.values()), "")).partition(":")[0] or _plain(str(project.get("name", root.resolve().name)))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError, TypeError, ValueError) as fault:
        raise WrongUse(f"{path}: {fault}") from None
    inner = package.replace(".", "/")
    folder = f"src/{inner}" if (root / "src").is_dir() else inner
    wants = (f'[project.entry-points."dtypecheck.checks"]\n{package.partition(".")[0]} = "{package}"',) if not entries else ()
    return folder, package, (*(f"add to pyproject.toml:\n{text}" for text in wants), "pip install -e .")


def _plain(name: str) -> str:
    """A name as a package's."""
    plain = re.sub(r"\W+", "_", name.lower()).strip("_")
    return plain if plain.isidentifier() else f"rules_{plain}"


def _next_of_ours(family: str) -> str:
    return f"DT{max(int(rule.code[2:]) for rule in rules() if rule.code.startswith(family)) + 1}"


def _next(folder: Path, package: str) -> str:
    """The code behind the last one in a package; the first is made of the letters of its name."""
    given = re.compile(r"^[ \t]+code\s*(?::[^=\n]+)?=\s*[\"']([A-Z]+)(\d+)[\"']", re.MULTILINE)
    codes = [match for text in _texts(folder) for match in given.findall(text)]
    if codes:
        letters, digits = max(codes, key=lambda pair: int(pair[1]))
        return f"{letters}{int(digits) + 1:0{len(digits)}}"
    letters = re.sub("[^A-Z]", "", package.removeprefix("dtypecheck_").upper())[:4]
    return f"{letters if len(letters) > 1 and letters != 'DT' else letters + 'X'}001"


def _texts(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.py")):
        yield path.read_text("utf-8", errors="replace")


def _filled(template: str, texts: Mapping[str, str]) -> str:
    return re.sub(r"\$([A-Z]+)", lambda match: texts[match[1]], template)


_FILES: Final = '''"""Weights are stored in float64."""

from __future__ import annotations

from collections.abc import Iterator

from dtypecheck.dtypes import F64
from dtypecheck.findings import Finding, Fix, Where
from dtypecheck.knowledge import Knowledge
from dtypecheck.rule import Rule
from dtypecheck.subjects import Component


class $CLASS(Rule):
    """Weights are stored in float64.

    Write here why that hurts and who says so. The examples are the rule's test: each bad one must fire, each good one be silent.

    ```bad
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F64 4x4
    ```

    ```good
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```
    """

    code = "$CODE"
    severity = "warning"

    def check(self, component: Component, known: Knowledge) -> Iterator[Finding]:
        """One finding for each file with such weights."""
        for chosen in component.sets:
            for file in chosen.files:
                if F64 in file.stock:
                    message = f"{component.label} is stored in {F64}, twice the bytes of {F64.bits // 2} bits"
                    yield self.finding(Where(file.path), message, fix=Fix("store it in float32"))
'''
_SCRIPTS: Final = '''"""A model is asked for in float64."""

from __future__ import annotations

from collections.abc import Iterator

from dtypecheck.dtypes import F64
from dtypecheck.findings import Finding, Fix
from dtypecheck.knowledge import Knowledge
from dtypecheck.rule import Rule
from dtypecheck.subjects.scripts import Call


class $CLASS(Rule):
    """A model is asked for in float64.

    Write here why that hurts and who says so. The examples are the rule's test: each bad one must fire, each good one be silent.

    ```bad
    serve.py: |
        import torch
        from diffusers import AutoencoderKL

        vae = AutoencoderKL.from_pretrained("vae", torch_dtype=torch.float64)
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import AutoencoderKL

        vae = AutoencoderKL.from_pretrained("vae", torch_dtype=torch.float32)
    ```
    """

    code = "$CODE"
    severity = "warning"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a call that loads a model so."""
        made = call.result
        if call.means == "load" and made is not None and made.dtype.single is F64:
            message = f"{made.label} is loaded in {F64}"
            yield self.finding(call.where, message, fix=Fix("pass torch_dtype=torch.float32"), source=call.source)
'''
_RULE: Final = {"files": _FILES, "scripts": _SCRIPTS}
_TEST: Final = '''"""The page of $CLASS is true: each bad example fires, each good one is silent."""

from __future__ import annotations

from dtypecheck.testing import failures
from $FROM.$NAME import $CLASS


def test_the_examples_of_the_page_hold() -> None:
    assert failures($CLASS) == []
'''
_INIT: Final = '''"""Rules for dtypecheck; every module here is imported with the package's entry point."""
'''
_PROJECT: Final = """[build-system]
requires = ["hatchling>=1.25"]
build-backend = "hatchling.build"

[project]
name = "$PROJECT"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["dtypecheck"]

[project.entry-points."dtypecheck.checks"]
$PACKAGE = "$PACKAGE"

[tool.hatch.build.targets.wheel]
packages = ["$PACKAGE"]

[tool.pytest.ini_options]
pythonpath = ["."]
"""
