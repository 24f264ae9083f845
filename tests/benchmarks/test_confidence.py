import pytest
from spacy.tokens import DocBin
from thinc.api import fix_random_seed

import confidence

from ..pipeline.util import SMALL_CRF, make_examples, trained_ner
from ..training.test_calibrating import MIXED
from .util import run_command

BLOCKS = ("objectives", "ece", "test", "bias", "cost")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A project with a trained pipeline and a corpus of three tweets."""
    fix_random_seed(0)
    nlp = trained_ner(**SMALL_CRF)
    (tmp_path / "small").mkdir()
    nlp.to_disk(tmp_path / "small" / "model-best")
    doc_bin = DocBin(docs=[example.reference for example in make_examples(nlp, MIXED)])
    (tmp_path / "corpus" / "tiny").mkdir(parents=True)
    for split in ("validation", "test"):
        doc_bin.to_disk(tmp_path / "corpus" / "tiny" / f"{split}.spacy")
    docs = tmp_path / "docs" / "confidence.md"
    docs.parent.mkdir()
    lines = [f"<!-- confidence:{name}:{edge} -->" for name in BLOCKS for edge in ("begin", "end")]
    docs.write_text("\n".join(lines), encoding="utf8")
    monkeypatch.setattr(confidence, "ROOT", tmp_path)
    monkeypatch.setattr(confidence, "DOCS", docs)
    monkeypatch.setattr(confidence, "PICTURE", docs.parent / "img" / "reliability.png")
    return tmp_path


def run(root, *arguments):
    command = confidence.confidence_cli
    model = root / "small" / "model-best"
    return run_command(command, model, "--limit", "12", "--turns", "2", *arguments)


def test_tables_and_picture(root):
    pytest.importorskip("matplotlib")
    result = run(root, "--corpus", "tiny", "--write-docs")
    assert result.exit_code == 0, result.output
    assert (root / "docs" / "img" / "reliability.png").exists()
    written = (root / "docs" / "confidence.md").read_text(encoding="utf8")
    rows = [line.strip("| ").split(" | ") for line in written.splitlines() if line[:1] == "|"]
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["none"][0] == "1.000"
    temperature = by_name["log loss of the predicted entities"][0]
    assert float(temperature) > 1.0
    assert f"Expected calibration error, temperature {temperature}" in written
    assert by_name["test"][0] == "5"
    # exp(2) times the odds of O
    assert by_name["2"][0] == "7.39"
    assert by_name["confidence on"][1].endswith("%")


def test_a_corpus_that_is_not_there(root):
    result = run(root, "--corpus", "absent")
    assert result.exit_code == 1
    assert "project run convert" in " ".join(result.output.split())
