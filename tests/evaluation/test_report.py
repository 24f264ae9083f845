import json
import os
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.cli.evaluate import evaluate
from spacy.tokens import Doc, DocBin

from spacy_twitter_ner.evaluation.report import (
    MetricsError,
    make_report,
    read_metrics,
    report_to_dict,
    report_to_markdown,
    write_report,
)
from spacy_twitter_ner.evaluation.scores import PRF


def scores(f: float | None = 0.5, **others: Any) -> dict[str, Any]:
    return {"token_acc": 1.0, "ents_p": 0.75, "ents_r": 0.25, "ents_f": f, **others}


def write_metrics(folder: Path, **files: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / f"{name}.json").write_text(json.dumps(data), encoding="utf8")
    return folder


@pytest.fixture
def metrics_dir(tmp_path: Path) -> Path:
    prf = {"p": 1.0, "r": 0.123456, "f": 0.2}
    return write_metrics(
        tmp_path / "bilstm",
        test=scores(speed=12345.6, ents_per_type={"person": prf, "geo-loc": prf}),
        train=scores(0.99, speed=None, ents_per_type=None),
        validation=scores(0.60006, ents_per_type={"tvshow": prf}),
    )


def test_report_to_markdown_overall_and_type_tables(metrics_dir):
    markdown = report_to_markdown(make_report(metrics_dir, title="Tweets"))
    assert markdown == (
        "# Tweets\n"
        "\n## Overall\n"
        "\n| Split | P | R | F1 | Words/s |"
        "\n| --- | ---: | ---: | ---: | ---: |"
        "\n| train | 75.00 | 25.00 | 99.00 | - |"
        "\n| validation | 75.00 | 25.00 | 60.01 | - |"
        "\n| test | 75.00 | 25.00 | 50.00 | 12346 |\n"
        "\n## By entity type\n"
        "\n| Type | train P | train R | train F1 | validation P | validation R | validation F1 "
        "| test P | test R | test F1 |"
        "\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        "\n| geo-loc | - | - | - | - | - | - | 100.00 | 12.35 | 20.00 |"
        "\n| person | - | - | - | - | - | - | 100.00 | 12.35 | 20.00 |"
        "\n| tvshow | - | - | - | 100.00 | 12.35 | 20.00 | - | - | - |\n"
    )


def test_report_to_dict_follows_documented_format(metrics_dir, tmp_path):
    other = write_metrics(tmp_path / "article", test=scores(0.35))
    data = report_to_dict(make_report(metrics_dir, title="Tweets", against=[other]))
    prf = {"p": 1.0, "r": 0.123456, "f": 0.2}
    assert list(data) == ["title", "splits", "raw_text", "against", "confidence", "quality"]
    assert data["confidence"] is None
    assert data["raw_text"] == {}
    assert data["title"] == "Tweets"
    assert list(data["splits"]) == ["train", "validation", "test"]
    assert data["splits"]["test"] == {
        "overall": {"p": 0.75, "r": 0.25, "f": 0.5},
        "per_type": {"geo-loc": prf, "person": prf},
        "speed": 12345.6,
    }
    assert data["splits"]["train"]["per_type"] == {}
    assert data["splits"]["train"]["speed"] is None
    assert data["against"] == {"article": {"test": {"p": 0.75, "r": 0.25, "f": 0.35}}}


def test_comparison_table_has_own_and_other_models(metrics_dir, tmp_path):
    article = write_metrics(tmp_path / "article", test=scores(0.35), train=scores())
    crf = write_metrics(tmp_path / "crf", test=scores(0.55), validation=scores(0.516))
    markdown = report_to_markdown(make_report(metrics_dir, against=[article, crf]))
    assert markdown.endswith(
        "## Comparison\n"
        "\n| Model | validation F1 | test F1 |"
        "\n| --- | ---: | ---: |"
        "\n| bilstm | 60.01 | 50.00 |"
        "\n| article | - | 35.00 |"
        "\n| crf | 51.60 | 55.00 |\n"
    )


def test_make_report_names_folders_uniquely(tmp_path):
    paths = [write_metrics(tmp_path / name / "metrics", test=scores()) for name in "abc"]
    report = make_report(paths[0], against=paths[1:])
    assert [report.name, *report.against] == [str(path) for path in paths]


def test_make_report_without_common_split_raises(metrics_dir, tmp_path):
    other = write_metrics(tmp_path / "other", train=scores())
    with pytest.raises(MetricsError, match="neither validation nor test was evaluated in"):
        make_report(metrics_dir, against=[other])


def test_raw_text_scores_are_shown_with_loss(tmp_path):
    """Scores on raw text without scores on gold tokens are treated as any other split."""
    person, tvshow = ({"p": 0.5, "r": 0.5, "f": f} for f in (0.5, 0.4))
    own = write_metrics(
        tmp_path / "crf",
        validation=scores(0.60),
        test=scores(0.56, ents_per_type={"person": person, "tvshow": person}),
        test_raw=scores(0.545, ents_per_type={"person": tvshow}),
        other_raw=scores(0.3),
    )
    cnn = write_metrics(tmp_path / "cnn", test=scores(0.5), test_raw=scores(0.4))
    report = make_report(own, against=[cnn])
    assert list(report.splits) == ["validation", "test", "other_raw"]
    assert list(report.raw) == ["test"]
    data = report_to_dict(report)["raw_text"]["test"]
    assert data["overall"] == {"p": 0.75, "r": 0.25, "f": 0.545}
    assert data["loss"] == pytest.approx(0.015)
    markdown = report_to_markdown(report)
    assert "| test | 75.00 | 25.00 | 56.00 | - |\n| test, raw text | 75.00 | 25.00 | 54.50 |" in (
        markdown
    )
    assert (
        "## F1 on gold tokens and on raw text\n"
        "\n| Type | test gold | test raw | test loss |"
        "\n| --- | ---: | ---: | ---: |"
        "\n| all types | 56.00 | 54.50 | 1.50 |"
        "\n| person | 50.00 | 40.00 | 10.00 |"
        "\n| tvshow | 50.00 | - | - |\n"
    ) in markdown
    assert markdown.endswith(
        "\n| Model | validation F1 | test F1 | test, raw text F1 |"
        "\n| --- | ---: | ---: | ---: |"
        "\n| crf | 60.00 | 56.00 | 54.50 |"
        "\n| cnn | - | 50.00 | 40.00 |\n"
    )


def test_raw_text_loss_of_missing_score_is_none(tmp_path):
    own = write_metrics(tmp_path / "crf", test=scores(0.5), test_raw=scores(None))
    assert report_to_dict(make_report(own))["raw_text"]["test"]["loss"] is None


def test_read_metrics_orders_splits(tmp_path):
    names = ["wnut17", "test", "broad", "train", "validation"]
    write_metrics(tmp_path, **dict.fromkeys(names, scores()))
    assert list(read_metrics(tmp_path)) == ["train", "validation", "test", "broad", "wnut17"]


def test_make_report_ignores_its_own_output(metrics_dir):
    first = make_report(metrics_dir)
    markdown_path, json_path = write_report(first, metrics_dir)
    texts = markdown_path.read_text(), json_path.read_text()
    # report.json is ignored by name, other JSON files by content.
    (metrics_dir / "old-report.json").write_text(json_path.read_text())
    (metrics_dir / "labels.json").write_text('["person"]')
    json_path.write_text(json.dumps(scores()))
    second = make_report(metrics_dir)
    assert second == first
    write_report(second, metrics_dir)
    assert (markdown_path.read_text(), json_path.read_text()) == texts


def test_write_report_json_round_trip(metrics_dir, tmp_path):
    report = make_report(metrics_dir, title="Tweets: Ünïcode")
    _, json_path = write_report(report, tmp_path / "new" / "folder")
    assert json.loads(json_path.read_text(encoding="utf8")) == report_to_dict(report)


def test_write_report_keeps_old_files_on_error(metrics_dir, monkeypatch):
    report = make_report(metrics_dir)
    markdown_path, json_path = write_report(report, metrics_dir)
    before = {path: path.read_bytes() for path in metrics_dir.iterdir()}

    def full_disk(source: Path, target: Path):
        assert Path(source).stat().st_size > 0
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_report(report._replace(title="another"), metrics_dir)
    assert {path: path.read_bytes() for path in metrics_dir.iterdir()} == before
    assert {markdown_path, json_path} <= set(before)


def test_report_to_markdown_escapes_labels_and_title(tmp_path):
    prf = {"p": 1.0, "r": 1.0, "f": 1.0}
    write_metrics(tmp_path, test=scores(ents_per_type={"a|b": prf, "c\\|d": prf, "e\nf_g": prf}))
    markdown = report_to_markdown(make_report(tmp_path, title="x\n<b>"))
    assert markdown.startswith("# x \\<b>\n")
    rows = [line.rsplit(" | ", 3)[0] for line in markdown.splitlines()[-3:]]
    assert rows == ["| a\\|b", "| c\\\\\\|d", "| e f_g"]


def test_report_without_scored_entities(tmp_path):
    nothing = {"ents_p": None, "ents_r": None, "ents_f": None, "ents_per_type": None}
    report = make_report(write_metrics(tmp_path, test=nothing))
    assert report.splits["test"].overall == PRF(None, None, None)
    assert "| test | - | - | - | - |" in report_to_markdown(report)
    assert "By entity type" not in report_to_markdown(report)


@pytest.mark.parametrize(
    ("name", "message"), [("empty", "no outputs of `spacy evaluate`"), ("absent", "no folder")]
)
def test_make_report_without_metrics_names_the_command(tmp_path, name, message):
    write_metrics(tmp_path / "empty", report=scores())
    with pytest.raises(MetricsError, match=f"{message}.*python -m spacy project run all"):
        make_report(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"ents_f": 0.5,\n  oops}', r"test\.json is not valid JSON: line 2, column 3"),
        (b'{"ents_f": "\xff"}', r"test\.json is not valid JSON: byte 12"),
        (b"", r"test\.json is not valid JSON: line 1, column 1"),
        (b'{"token_acc": 1.0}', r"no NER scores in .*test\.json"),
        (b'{"ents_f": 0.5}', r"no NER scores in .*test\.json"),
        (b'{"ner": {"ents_f": 0.5}}', r"no NER scores in .*test\.json.*--per-component"),
        (b"[]", r"no NER scores in .*test\.json"),
        (b'{"ents_p": 1, "ents_r": 1, "ents_f": 48.8}', r"ents_f must be a fraction.*48\.8"),
        (b'{"ents_p": NaN, "ents_r": 1, "ents_f": 1}', "ents_p must be a fraction"),
        (b'{"ents_p": 1, "ents_r": true, "ents_f": 1}', "ents_r must be a fraction"),
        (b'{"ents_p": 1, "ents_r": 1, "ents_f": 1, "speed": Infinity}', "speed must be"),
        (b'{"ents_p": 1, "ents_r": 1, "ents_f": 1, "ents_per_type": {"x": 1}}', "of objects"),
    ],
)
def test_read_metrics_errors_name_file_and_position(tmp_path, content, message):
    write_metrics(tmp_path, train=scores())
    (tmp_path / "test.json").write_bytes(content)
    with pytest.raises(MetricsError, match=message):
        make_report(tmp_path)


def test_read_metrics_rejects_invalid_other_split(tmp_path):
    write_metrics(tmp_path, test=scores(), other={"token_acc": 1.0})
    with pytest.raises(MetricsError, match=r"no NER scores in .*other\.json"):
        make_report(tmp_path)


def test_make_report_reads_spacy_evaluate_output(tmp_path):
    nlp = spacy.blank("en")
    ruler: Any = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "geo-loc", "pattern": "Leeds"}])
    nlp.to_disk(tmp_path / "model")
    ents = ["B-geo-loc", "O", "B-geo-loc"]
    doc = Doc(nlp.vocab, words=["Leeds", "beats", "Derby"], ents=ents)
    DocBin(docs=[doc]).to_disk(tmp_path / "test.spacy")
    (tmp_path / "metrics").mkdir()
    output = tmp_path / "metrics" / "test.json"
    evaluate(str(tmp_path / "model"), tmp_path / "test.spacy", output=output)
    test = make_report(tmp_path / "metrics").splits["test"]
    assert test.overall == pytest.approx((1.0, 0.5, 2 / 3))
    assert test.per_type == {"geo-loc": test.overall}
    assert test.speed is not None
    assert test.speed > 0
