"""A report of `watch` as a subject again: the runs in it, taken strictly, for the rules to judge once more."""

from __future__ import annotations

from math import inf
from typing import Final, get_args

from ..dtypes import BY_NAME, DType
from ..files import Entry, Files
from ..findings import Where
from ..subjects import Claim, Component, Config, Load, Pipeline, Problem, Quantised, Request
from ..subjects.numbers import Departure, Fault, Frame, Healing, Look, Picture, Producer, Replay, Replayed
from ..subjects.shown import Crash, Event, ModuleRow, Operand, Outcome, Run, Tried
from .fields import Fields, Refused
from .header import BROKEN_JSON
from .jsons import read_config

VERSION: Final = 1
"""The version of our reports that is read."""


def read_runs(files: Files, entry: Entry) -> tuple[tuple[Run, ...], tuple[Problem, ...]] | None:
    """The watched runs that a JSON file holds, and what is wrong with it; None for a JSON file that is no report on a run.

    Of runs that were merged (several processes) each is given.
    """
    config, problem = read_config(files, entry)
    if config is None:
        return (), (problem,) if problem else ()
    if not isinstance(config.data.get("version"), int) or not (config.data.get("run") or config.data.get("runs")):
        return None
    fields = Fields(config.data)
    try:
        if fields.whole("version") != VERSION:
            raise fields.refuse("version", f"version {VERSION} of a report")
        several = tuple(map(_run, fields.each("runs")))
        alone = fields.inside("run")
        return several or ((_run(alone),) if alone else ()), ()
    except Refused as fault:
        return (), (Problem(BROKEN_JSON, Where(entry.name, fault.at), f"no run that can be read: {fault.at}: {fault}"),)


def _run(fields: Fields) -> Run:
    pipeline = fields.inside("pipeline")
    crash = fields.inside("crash")
    return Run(
        how=fields.word("how", ("watched",), "watched"),
        verdict=fields.word("verdict", get_args(Outcome)),
        device=fields.text("device"),
        crash=_crash(crash) if crash else None,
        reason=fields.text("reason"),
        component=fields.text("component"),
        events=tuple(map(_event, fields.each("events"))),
        modules=tuple(map(_module, fields.each("modules"))),
        weight_bytes=fields.counts("weight_bytes"),
        substituted=fields.texts("substituted"),
        remedies=tuple(map(_tried, fields.each("remedies"))),
        pipeline=_pipeline(pipeline) if pipeline else None,
        script=fields.text("script"),
        written=fields.texts("written"),
        module=fields.text("module"),
        called=fields.text("called"),
        producers=tuple(map(_producer, fields.each("producers"))),
        pictures=tuple(map(_picture, fields.each("images"))),
        departures=tuple(map(_departure, fields.each("departures"))),
        healed=tuple(map(_healing, fields.each("healed"))),
        limits=fields.texts("limits"),
        steps=fields.counts("steps"),
        variable=fields.text("variable"),
        code=fields.whole("code", least=-256),
        ranks=fields.wholes("ranks"),
    )


def _crash(fields: Fields) -> Crash:
    return Crash(
        fields.text("module"),
        fields.text("operator"),
        fields.text("message"),
        tuple(map(_operand, fields.each("operands"))),
        glue=fields.text("glue"),
        script=fields.text("script"),
        stage=fields.text("stage", "call"),
        confirmed=fields.flag("confirmed", True),
        why=fields.text("why"),
        remedy=fields.text("remedy"),
    )


def _operand(fields: Fields) -> Operand:
    dtype, made = fields.some_dtype("dtype"), fields.text("from")
    return Operand(fields.text("role", "input"), dtype, made, fields.text("component"), fields.text("made_at"))


def _event(fields: Fields) -> Event:
    return Event(
        fields.text("kind"),
        fields.text("module"),
        fields.text("operator"),
        fields.dtypes("dtypes"),
        fields.dtype("to"),
        fields.text("from"),
        fields.whole("bytes"),
        fields.whole("times", 1),
        fields.whole("downstream"),
        fields.flag("by_design", False),
    )


def _module(fields: Fields) -> ModuleRow:
    return ModuleRow(
        fields.text("module"),
        fields.whole("calls"),
        fields.dtype("dtype_in"),
        fields.dtype("dtype_out"),
        fields.number("absmax"),
        fields.text("class"),
        fields.dtype("weights"),
    )


def _tried(fields: Fields) -> Tried:
    crash, dtypes = fields.inside("crash"), fields.inside("dtypes")
    return Tried(
        _named_dtypes(dtypes),
        fields.word("verdict", get_args(Outcome)),
        _crash(crash) if crash else None,
        fields.whole("weight_bytes"),
        fields.text("note"),
        fields.flag("safe", True),
        fields.flag("recommended", False),
        fields.text("reason"),
        fields.flag("slow", False),
    )


def _producer(fields: Fields) -> Producer:
    replay = fields.inside("replay")
    return Producer(
        fields.text("module"),
        fields.whole("step", 1),
        fields.some_dtype("dtype"),
        fields.word("kind", get_args(Fault)),
        fields.text("class"),
        fields.number("absmax_in"),
        tuple(map(_frame, fields.each("before"))),
        fields.whole("carried"),
        fields.text("carried_to"),
        fields.text("killed_by"),
        fields.text("glue"),
        fields.texts("weights"),
        fields.whole("times", 1),
        fields.text("reaches"),
        operator=fields.text("operator"),
        before_module=fields.text("before_module"),
        autocast=fields.flag("autocast", False),
        replay=_replay(replay) if replay else None,
    )


def _frame(fields: Fields) -> Frame:
    return Frame(
        fields.text("module"),
        fields.dtype("dtype_in"),
        fields.dtype("dtype_out"),
        fields.number("absmax_in"),
        fields.number("absmax_out"),
        fields.flag("finite_in", True),
        fields.flag("finite_out", True),
    )


def _replay(fields: Fields) -> Replay:
    return Replay(
        fields.word("verdict", get_args(Replayed)), fields.number("absmax"), fields.number("times"), fields.text("switch")
    )


def _picture(fields: Fields) -> Picture:
    return Picture(
        fields.word("verdict", get_args(Look)),
        fields.whole("number", 1),
        fields.whole("of", 1),
        fields.text("seen", "decode"),
        fields.text("colour"),
        fields.text("producer"),
        fields.text("path"),
        fields.whole("call", 1),
    )


def _departure(fields: Fields) -> Departure:
    """An error that is null was not finite."""
    error, first = fields.number("error"), fields.number("module_error")
    known = [inf if value is None else value for value in (error, first)]
    return Departure(fields.text("component"), fields.some_dtype("dtype"), known[0], fields.text("module"), known[1])


def _healing(fields: Fields) -> Healing:
    return Healing(
        fields.text("module"),
        fields.text("what"),
        fields.some_dtype("dtype"),
        fields.some_dtype("to"),
        fields.whole("times", 1),
        fields.text("cost"),
        fields.text("permanent"),
    )


def _pipeline(fields: Fields) -> Pipeline:
    kinds = ("pipeline", "component", "model", "single-file", "adapter")
    request = fields.inside("request")
    return Pipeline(
        fields.text("path", "."),
        fields.text("class") or None,
        fields.word("kind", kinds),
        tuple(map(_component, fields.each("components"))),
        request=_request(request) if request else Request(),
    )


def _request(fields: Fields) -> Request:
    named, libraries = fields.inside("dtype"), fields.inside("libraries")
    known = [(name, library) for name in libraries.data if (library := libraries.inside(name))] if libraries else []
    return Request(
        {"" if name == "default" else name: dtype for name, dtype in _named_dtypes(named).items()},
        fields.text("variant") or None,
        fields.text("device") or None,
        tuple((name, library.text("version"), library.text("from")) for name, library in known),
    )


def _component(fields: Fields) -> Component:
    name, place = fields.text("name"), fields.text("where")
    dtype, settings, packed = fields.dtype("dtype"), fields.inside("settings"), fields.text("quantised")
    counts = {BY_NAME[key]: count for key, count in fields.counts("parameters").items() if key in BY_NAME}
    return Component(
        name,
        fields.text("path"),
        fields.text("class") or None,
        fields.text("family", "diffusers"),
        fields.text("role", "other"),
        Config(place, _settings(settings)) if settings else None,
        quantised=Quantised(packed, Where(place)) if packed else None,
        load=Load(dtype, Claim(dtype, Where(place), "shows") if dtype else None, counts),
    )


def _settings(fields: Fields) -> dict[str, object]:
    """Plain values alone: nothing that a rule could stumble over."""
    return {key: value for key, value in fields.data.items() if value is None or isinstance(value, (bool, int, float, str))}


def _named_dtypes(fields: Fields | None) -> dict[str, DType]:
    return {name: fields.some_dtype(name) for name in fields.data} if fields else {}
