"""Runs the calls of the contract tests on a device and prints how each ends, one JSON object a line.

    python tests/runs/probe_contracts.py --device cuda > probe.jsonl
    python tests/runs/probe_contracts.py --device cuda --compare

`--compare` holds rules/contracts.toml against the device instead: where a rehearsal for it ends otherwise, and which operators
agree throughout, so that their rows can be called confirmed. It needs torch and this checkout, neither diffusers nor weights.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dtypecheck.knowledge import Knowledge
from dtypecheck.runs.contracts import Contracts
from tests.runs.contract_calls import Call
from tests.runs.contract_outcomes import CALLS, Outcome, Rehearsed, explained, quietly, real, rehearsed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps, xpu, cuda:1")
    parser.add_argument("--kind", help="its name in rules/contracts.toml, where that differs: rocm for a cuda of AMD")
    parser.add_argument("--only", default="", help="calls whose name begins so")
    parser.add_argument("--compare", action="store_true", help="hold rules/contracts.toml against the device")
    asked = parser.parse_args()
    calls = [call for call in CALLS if call.name.startswith(asked.only)]
    with quietly():
        if asked.compare:
            return compare(calls, asked.device, asked.kind or asked.device.partition(":")[0])
        print(json.dumps({"torch": torch.__version__, "device": name(asked.device)}), flush=True)
        for call in calls:
            for plan in call.plans():
                outcome = real(call, plan, asked.device)
                row = {"call": call.name, "dtypes": plan, "error": outcome.error, "text": outcome.text}
                print(json.dumps(row), flush=True)
    return 0


def name(device: str) -> str:
    """What the device is called by its maker."""
    if device.startswith("cuda"):
        return f"{torch.cuda.get_device_name(device)}, sm{''.join(map(str, torch.cuda.get_device_capability(device)))}"
    return platform.processor() or platform.machine()


def compare(calls: list[Call], device: str, kind: str) -> int:
    """Prints what disagrees and a verdict for each operator with a row; 1 if a call does not end as it does for real."""
    agreed: Counter[str] = Counter()
    against: dict[str, list[str]] = defaultdict(list)
    unconfirmed: set[str] = set()
    endings: Counter[str] = Counter()
    for call, plan, truth, found in outcomes(calls, device, kind):
        said = found.outcome
        if truth == said:
            ending = "agree"
        elif explained(call.name, truth, said):
            ending = "known to differ"
        else:
            ending = "other words" if truth.error and said.error else "other verdict"
        endings[ending] += 1
        if found.breach is not None and not found.breach.confirmed:
            unconfirmed.add(found.header)
        if ending == "agree" and found.breach is not None:
            agreed[found.header] += 1
        if ending.startswith("other"):
            line = f"{call.name} {plan}\n    {device}: {_shown(truth)}\n    rows: {_shown(said)}"
            against[found.header or "(no row)"].append(f"{ending}: {line}")
    for header, lines in sorted(against.items()):
        print(f"# {header}: {len(lines)} calls end otherwise", *lines, sep="\n")
    for header, count in sorted(agreed.items()):
        if header not in against:
            print(f"{'can be confirmed' if header in unconfirmed else 'confirmed'}: {header}, {count} calls")
    print(f"{device}, torch {torch.__version__}: {dict(endings)}")
    return 1 if against else 0


def outcomes(calls: list[Call], device: str, kind: str) -> Iterator[tuple[Call, dict[str, str], Outcome, Rehearsed]]:
    contracts, fake = Contracts(Knowledge(), kind), FakeTensorMode(allow_non_fake_inputs=True)
    for call in calls:
        for plan in call.plans():
            yield call, plan, real(call, plan, device), rehearsed(call, plan, contracts, fake)


def _shown(outcome: Outcome) -> str:
    return f"{outcome.error}: {outcome.text}" if outcome.error else f"runs, {outcome.text}"


if __name__ == "__main__":
    sys.exit(main())
