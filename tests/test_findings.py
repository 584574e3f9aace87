"""Places, findings and fingerprints: stable under rewording, different for different places."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dtypecheck.findings import Finding, Where, fingerprinted


def finding(**changes: object) -> Finding:
    base = Finding("DT101", "a-rule", "error", Where("vae/config.json", "/dtype", 3), "vae says so", source="dtype: float16")
    return replace(base, **changes)  # type: ignore[arg-type]


def prints(*findings: Finding) -> list[str]:
    return [found.fingerprint for found in fingerprinted(list(findings))]


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (Where("a/b.json"), "a/b.json"),
        (Where("a.json", "/x", 3), "a.json:3"),
        (Where("w.safetensors", "unet.x"), "w.safetensors unet.x"),
        (Where("a.json", "", 1), "a.json:1"),
    ],
)
def test_a_place_reads_as_compilers_write_it(where: Where, text: str) -> None:
    assert str(where) == text


@pytest.mark.parametrize(
    "change",
    [
        {"message": "other words"},
        {"severity": "note"},
        {"where": Where("vae/config.json", "/dtype", 99)},
        {"against": Where("x")},
        {"source": "  dtype:\n\tfloat16 "},
        {"muted": "known"},
        {"name": "renamed"},
        {"pipeline": "p", "component": "c"},
        {"because": "it hurts"},
    ],
)
def test_a_fingerprint_survives_other_words_lines_and_blanks(change: dict[str, object]) -> None:
    assert prints(finding()) == prints(finding(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"code": "DT102"},
        {"where": Where("unet/config.json", "/dtype", 3)},
        {"where": Where("vae/config.json", "/x", 3)},
        {"source": "dtype: float32"},
    ],
)
def test_a_fingerprint_differs_by_code_path_place_and_source(change: dict[str, object]) -> None:
    assert prints(finding()) != prints(finding(**change))


def test_the_second_equal_finding_is_numbered() -> None:
    first, second, other, third = prints(finding(), finding(message="again"), finding(code="DT999"), finding())
    assert (second, third) == (f"{first}#2", f"{first}#3")
    assert len(first) == 64
    assert "#" not in other


def test_a_fingerprint_can_be_made_of_any_name() -> None:
    (odd,) = prints(finding(where=Where("\udcff.safetensors", "\ud800")))
    assert len(odd) == 64


def test_a_muted_finding_keeps_everything_but_its_weight() -> None:
    muted = finding().mute("known", "baseline")
    assert (muted.muted, muted.muted_by) == ("known", "baseline")
    assert replace(muted, muted=None, muted_by=None) == finding()


def test_findings_sort_from_the_worst_then_by_code_and_place() -> None:
    mixed = [
        finding(severity="note", code="DT001"),
        finding(severity="error", code="DT200"),
        finding(severity="warning"),
        finding(severity="error", code="DT100", where=Where("b")),
        finding(severity="error", code="DT100", where=Where("a", "", 9)),
        finding(severity="error", code="DT100", where=Where("a", "", 2)),
    ]
    ordered = sorted(mixed, key=lambda found: found.key)
    assert [(f.severity, f.code, str(f.where)) for f in ordered[:4]] == [
        ("error", "DT100", "a:2"),
        ("error", "DT100", "a:9"),
        ("error", "DT100", "b"),
        ("error", "DT200", "vae/config.json:3"),
    ]
    assert [f.severity for f in ordered[4:]] == ["warning", "note"]
