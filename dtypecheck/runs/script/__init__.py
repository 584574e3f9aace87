"""The rehearsal of a user's own script: it runs as it is, on phantom components and a device that is not there.

It executes the script. Savers and `open` for writing are caught, but this is no sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ...knowledge import Knowledge
from ...subjects.shown import Event, Run
from .. import call
from .outcome import ended, judged
from .play import play
from .session import Libraries, Session, begin
from .stage import staged
from .threads import over
from .trace import Script

__all__ = ["rehearse_script"]


def rehearse_script(
    path: Path,
    arguments: Sequence[str],
    known: Knowledge,
    device: str,
    models: Mapping[str, Path] | None = None,
    libraries: Libraries = (),
) -> Run:
    """Run a script to its end, and say what it showed.

    path: as it was typed. arguments: its own. device: a name of rules/devices.toml. models: folders by the hub ids that the
    script names; their configs are enough. libraries: as in a Request. Its output goes where it sends it; a traceback of its
    own goes to stderr. errors: OSError when the file cannot be read; KeyboardInterrupt passes through.
    """
    script = Script(path.absolute(), path.as_posix())
    script.path.read_bytes()
    folders = {name: folder.absolute() for name, folder in (models or {}).items()}
    session = begin(script, known, device, folders, libraries)
    told: list[call.Outcomes] = []
    with staged(session):
        try:
            end = play(script, arguments, lambda fault: told.append(judged(session, fault)), lambda: session.thread_fault)
        finally:
            over(session)
        outcome = told[0] if told else ended(session, end)
    return _run(session, outcome)


def _run(session: Session, outcome: call.Outcomes) -> Run:
    shown = session.script.shown
    events = (*(session.world.events.seen() if session.world.events else ()), *session.heard.seen())
    return Run(
        how="rehearsed",
        verdict=outcome.verdict,
        device=session.device,
        crash=outcome.crash,
        reason=shown(outcome.reason),
        component=outcome.where.partition(".")[0],
        events=tuple(_told(event, shown) for event in events),
        modules=session.heard.rows(),
        weight_bytes=session.weights(),
        substituted=tuple(map(shown, session.notes)),
        pipeline=session.pipeline(),
        script=session.script.given,
        written=tuple(session.writes.paths),
        module=outcome.where,
        called=session.called,
    )


def _told(event: Event, shown: Callable[[str], str]) -> Event:
    return replace(event, by=shown(event.by))
