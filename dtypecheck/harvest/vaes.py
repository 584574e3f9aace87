"""What a pipeline class does to dtypes where it decodes with, and encodes with, its VAE."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from .flow import Flow
from .source import Class, Function, calls, last_name, nodes

NAMES = ("vae", "movq", "vqgan", "vqvae")
"""What a component is called that turns latents into images, sound or shapes."""


@dataclass(frozen=True, slots=True)
class Site:
    """One call of `vae.decode` or `vae.encode`: in which function, with which first argument."""

    owner: Class
    function: Function
    call: ast.Call

    @property
    def line(self) -> int:
        return self.call.lineno

    @property
    def given(self) -> ast.expr:
        return self.call.args[0] if self.call.args else self.call.keywords[0].value


@dataclass(frozen=True)
class Functions:
    """The functions of one class or one block of a modular pipeline."""

    all: tuple[tuple[Class, Function], ...]
    vaes: frozenset[str] = frozenset(NAMES)

    @cached_property
    def flows(self) -> dict[int, Flow]:
        return {id(function): Flow(function) for _, function in self.all}

    def flow(self, function: Function) -> Flow:
        return self.flows[id(function)]

    def sites(self, method: str) -> list[Site]:
        """Every call of that method of a VAE; the deprecated `decode_latents` of the SD family only if something calls it."""
        found = [
            Site(owner, function, node)
            for owner, function in self.all
            for node in calls(function)
            if self._is_vae_call(node, method) and (node.args or node.keywords)
        ]
        called = {name for _, function in self.all for name in _called(function)}
        live = [site for site in found if site.function.name == "__call__" or site.function.name in called]
        return live or found

    def _is_vae_call(self, node: ast.Call, method: str) -> bool:
        match node.func:
            case ast.Attribute(attr=attr, value=ast.Attribute(attr=name)) if attr == method:
                return name in self.vaes
            case ast.Attribute(attr=attr, value=ast.Name(id=name)) if attr == method:
                return name in self.vaes
            case _:
                return False

    # decode

    def decode(self) -> tuple[str, bool, list[Site]]:
        """same, cast, upcast, upcast+cast or none; whether the VAE gets its dtype back; the sites that say so."""
        sites = self.sites("decode")
        if not sites:
            return "none", True, []
        deciding = [site for site in sites if site.function.name == "__call__"] or sites
        # the last one is where the result is made
        site = deciding[-1]
        cast = self._decode_casts(site)
        places = self._places(site)
        upcast = any(self._upcast_at(function, line) for function, line in places)
        restores = not upcast or any(self._restores(function, line) for function, line in places)
        kind = "upcast+cast" if upcast and cast else "upcast" if upcast else "cast" if cast else "same"
        return kind, restores, [site]

    def _places(self, site: Site) -> list[tuple[Function, int]]:
        """The line of a site, and those where the helper it stands in is called."""
        return [(site.function, site.line), *((function, call.lineno) for function, call in self._callers(site.function))]

    def _decode_casts(self, site: Site) -> bool:
        """Whether what goes into the decoder is cast to the VAE's dtype, here or by the caller of a helper."""
        flow = self.flow(site.function)
        if flow.traced(site.given, self._after(site), site.line) & self.vaes:
            return True
        for function, call in self._callers(site.function):
            outer = self.flow(function)
            first = self._denoised(function)
            for given in [*call.args, *(keyword.value for keyword in call.keywords)]:
                if outer.traced(given, first, call.lineno) & self.vaes:
                    return True
        return False

    def _after(self, site: Site) -> int:
        return self._denoised(site.function, site.line)

    def _denoised(self, function: Function, before: int = 10**9) -> int:
        """The last line of the denoising loop; 0 for a function without one."""
        return max(
            (
                node.end_lineno or 0
                for node in nodes(function)
                if isinstance(node, ast.For | ast.While)
                and (node.end_lineno or 0) < before
                and "scheduler.step" in ast.unparse(node)
            ),
            default=0,
        )

    def _callers(self, helper: Function) -> Iterator[tuple[Function, ast.Call]]:
        """Where `self.helper(...)` is called in the other functions."""
        for _, function in self.all:
            for node in calls(function):
                if last_name(node.func) == helper.name != function.name:
                    yield function, node

    # upcasting

    def _upcast_at(self, function: Function, at: int) -> bool:
        """Whether the VAE was put in float32 above a line and not put back in between."""
        lowered = max((line for line in self._vae_to(function, "F16", "half") if line < at), default=0)
        return any(lowered < line <= at for line in self._vae_to(function, "F32", "upcast_vae"))

    def _restores(self, function: Function, at: int) -> bool:
        return any(line >= at for line in self._vae_to(function, "F16", "half"))

    def _vae_to(self, function: Function, dtype: str, method: str) -> Iterator[int]:
        """Lines where the VAE is put in a dtype."""
        for node in calls(function):
            match node.func:
                case ast.Attribute(attr=attr) if attr == method:
                    yield node.lineno
                case ast.Attribute(value=ast.Attribute(attr=name), attr="to") if name in self.vaes:
                    if dtype in self.flow(function).casts(node) or (dtype == "F16" and _to_given_dtype(node)):
                        yield node.lineno
                case ast.Attribute(value=ast.Attribute(attr=name), attr="float") if name in self.vaes and dtype == "F32":
                    yield node.lineno

    # encode

    def encode(self) -> tuple[str, list[Site]]:
        """same, cast, upcast, none or unknown, and the sites."""
        sites = self.sites("encode")
        kinds = [self._encode(site) for site in sites]
        order = ("upcast", "unknown", "same", "cast")
        return next((kind for kind in order if kind in kinds), "none"), sites

    def lowers(self) -> bool:
        """Whether the VAE, upcast to encode, is then put in the dtype that the method was given: whatever it had before."""
        places = [place for site in self.sites("encode") for place in self._places(site)]
        return any(self._upcast_at(function, line) and self._lowered_after(function, line) for function, line in places)

    def _lowered_after(self, function: Function, line: int) -> bool:
        return any(call.lineno >= line and self._on_vae(call) and _to_given_dtype(call) for call in calls(function))

    def _on_vae(self, call: ast.Call) -> bool:
        match call.func:
            case ast.Attribute(value=ast.Attribute(attr=name), attr="to"):
                return name in self.vaes
            case _:
                return False

    def _encode(self, site: Site) -> str:
        if any(self._upcast_at(function, line) for function, line in self._places(site)):
            return "upcast"
        owners = self._image_dtypes(site.function, site.given, site.line, depth=3)
        if owners & self.vaes:
            return "cast"
        return "same" if owners else "unknown"

    def _image_dtypes(self, function: Function, given: ast.expr, line: int, depth: int) -> frozenset[str]:
        """Owners of the dtypes that an image was cast to before `line`, following parameters to the callers."""
        flow = self.flow(function)
        direct = flow.traced(given, 0, line)
        found = {owner for owner in direct if not owner.startswith("param:")}
        wanted = {owner.removeprefix("param:") for owner in direct if owner.startswith("param:")}
        if found & self.vaes or not depth:
            return frozenset(found)
        for outer, call in self._callers(function):
            bound = _bind(function, call)
            there = self.flow(outer)
            for name in wanted & set(bound):
                found |= {owner for owner in there.dtype(bound[name]) if not owner.startswith("param:")}
            if not found:
                for name in flow.reaches(given, line) & set(bound):
                    found |= self._image_dtypes(outer, bound[name], call.lineno, depth - 1)
        return frozenset(found)


def _to_given_dtype(node: ast.Call) -> bool:
    """`vae.to(dtype)`, `vae.to(device, dtype)`: back to the dtype the method was given."""
    return any(isinstance(one, ast.Name) and one.id == "dtype" for one in node.args)


def _called(function: Function) -> Iterator[str]:
    return (name for node in calls(function) if (name := last_name(node.func)) != function.name)


def _bind(function: Function, call: ast.Call) -> dict[str, ast.expr]:
    """Which argument of a call is which parameter of a method."""
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    names = names[1:] if names[:1] in (["self"], ["cls"]) else names
    return dict(zip(names, call.args, strict=False)) | {one.arg: one.value for one in call.keywords if one.arg}
