"""A VAE out of rules/swaps.toml in a script: in place of one that is loaded by itself, or beside a pipeline, if asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...knowledge import Knowledge, Row
from ...subjects.scripts import Call
from .case import Case, Idea, Unfit
from .pieces import replaced
from .spelling import Spelled


def another_vae(case: Case) -> Iterator[Idea]:
    """The row that --swap names, where it says of itself that it fits. errors: Unfit where it does not."""
    if not case.wish.swap:
        return
    rows = {name.removeprefix("swap."): row for name, row in case.known.all("swaps")}
    row = rows.get(case.wish.swap) or next((row for row in rows.values() if row["repo"] == case.wish.swap), None)
    vae = case.call.target if case.call.means in ("decode", "encode") else None
    loader = case.script.call(vae.loader) if vae else case.call
    if loader is None or loader.result is None or loader.means != "load":
        return
    if row is None:
        raise Unfit(f"{case.wish.swap} is no row of rules/swaps.toml, and a script takes a VAE by its name on the hub")
    if loader.result.kind == "model":
        yield _in_place(case, loader, row)
    else:
        yield _beside(case, loader, row)


def _in_place(case: Case, loader: Call, row: Row) -> Idea:
    page, _ = case.found(loader)
    where = case.node_of(loader, loader.argument("pretrained_model_name_or_path", position=0))
    made = loader.result
    config = case.known.row("hub", (made.repo.text if made else None) or "").get("config", {})
    if where is None or made is None or made.klass != row["class"] or not _fits(row, made.klass or "", config):
        raise Unfit(f"nobody knows whether {row['repo']} fits in place of it")
    changes = [replaced(page, where, f'"{row["repo"]}"')]
    for name in ("subfolder", "variant", "revision"):
        changes += case.without(loader, name) if loader.argument(name) else ()
    return Idea(f"{case.line(loader)}: {row['repo']}", tuple(changes), "swap-vae", (str(row["why"]),))


def _beside(case: Case, loader: Call, row: Row) -> Idea:
    page, node = case.found(loader)
    klass = loader.result.klass if loader.result else None
    if loader.argument("vae"):
        raise Unfit("the pipeline is given a VAE already")
    if not _suits(row, klass or "", case.known):
        raise Unfit(f"nobody knows whether {row['repo']} fits into {klass}")
    name = case.spelling.klass(str(row["class"]), page, node)
    asked = case.node_of(loader, case.asked(loader))
    dtype = f", {case.spelling.keyword(node, page)}={page.source(asked)}" if asked is not None else ""
    new = f'{name.text}.from_pretrained("{row["repo"]}"{dtype})'
    changes = (*name.changes, *case.with_dtype(loader, Spelled(new), "vae"))
    return Idea(f"{case.line(loader)}: vae={new}", changes, "swap-vae", (str(row["why"]),))


def _fits(row: Row, klass: str, config: Mapping[str, Any]) -> bool:
    """Whether a row says that it takes the place of a VAE with these settings."""
    asked = row.get("replaces", {})
    settings = asked.get("config", {})
    return asked.get("class") == klass and bool(settings) and all(config.get(key) == value for key, value in settings.items())


def _suits(row: Row, pipeline: str, known: Knowledge) -> bool:
    """Whether the VAE of a pipeline class is one that a row says it takes the place of."""
    klass = str(row.get("replaces", {}).get("class", ""))
    return any(
        pipeline in model.get("pipelines", ()) and _fits(row, klass, model.get("config", {}))
        for model in known.rows("models", klass)
    )
