"""Confidences in span groups and extension attributes, by the settings spans_key and extension."""

import subprocess
import sys

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span, SpanGroup

from .util import NAME, TEST_TEXTS, entities, make_examples, trained_ner


@pytest.fixture(scope="module")
def scored(small):
    return trained_ner(**small, spans_key="sure", extension="sureness")


@pytest.fixture(scope="module", autouse=True)
def _remove_extensions():
    yield
    for name in ("sureness", "taken"):
        if Span.has_extension(name):
            Span.remove_extension(name)


def scores(docs) -> list[list[float]]:
    return [doc.spans["sure"].attrs["scores"].tolist() for doc in docs]


def extension_scores(docs) -> list[list[float | None]]:
    return [[ent._.sureness for ent in doc.ents] for doc in docs]


def test_scores_in_span_group_and_extension(scored):
    docs = list(scored.pipe(TEST_TEXTS))
    for doc in docs:
        group = doc.spans["sure"]
        assert [(s.start, s.end, s.label) for s in group] == [
            (e.start, e.end, e.label) for e in doc.ents
        ]
        assert len(group.attrs["scores"]) == len(group)
        assert all(0.0 < score <= 1.0 for score in group.attrs["scores"])
    assert any(scores(docs))
    assert extension_scores(docs) == scores(docs)


def test_extension_of_other_spans_is_none(scored):
    doc = scored("Shaka Khan sings in London")
    assert doc[0:1]._.sureness is None
    assert Span(doc, 4, 5, label="PERSON")._.sureness is None
    assert Span(doc, 4, 5, label="LOC")._.sureness > 0.5
    assert Doc(scored.vocab, words=["London"])[0:1]._.sureness is None


def test_spans_key_of_call(small):
    nlp = trained_ner(**small)
    docs = list(nlp.pipe(TEST_TEXTS, component_cfg={NAME: {"spans_key": "sure"}}))
    one = nlp(TEST_TEXTS[0], component_cfg={NAME: {"spans_key": "sure"}})
    assert not any(doc.spans for doc in nlp.pipe(TEST_TEXTS))
    nlp.get_pipe(NAME).spans_key = "sure"
    expected = list(nlp.pipe(TEST_TEXTS))
    assert entities(docs) == entities(expected)
    assert scores(docs) == scores(expected)
    assert scores([one])[0] == pytest.approx(scores(docs)[0], abs=1e-5)


def test_spans_key_of_component_precedes_that_of_call(scored):
    doc = scored(TEST_TEXTS[0], component_cfg={NAME: {"spans_key": "other"}})
    assert set(doc.spans) == {"sure"}


def test_scores_do_not_depend_on_batch_size(scored):
    expected = scores(scored(text) for text in TEST_TEXTS)
    for size in (1, 3, 100):
        found = scores(scored.pipe(TEST_TEXTS, batch_size=size))
        for doc_scores, doc_expected in zip(found, expected, strict=True):
            assert doc_scores == pytest.approx(doc_expected, abs=1e-5)


def test_scores_in_bytes_and_doc_bin(scored):
    docs = list(scored.pipe(TEST_TEXTS))
    doc_bin = DocBin(docs=docs)
    vocab = spacy.blank("xx").vocab
    from_bin = list(DocBin().from_bytes(doc_bin.to_bytes()).get_docs(vocab))
    from_bytes = [Doc(vocab).from_bytes(doc.to_bytes()) for doc in docs]
    for loaded in (from_bin, from_bytes):
        assert entities(loaded) == entities(docs)
        assert scores(loaded) == scores(docs)
        assert extension_scores(loaded) == scores(docs)


@pytest.mark.slow
def test_scores_with_two_processes(scored, safe_start_method):
    scored.add_pipe("merge_entities")
    try:
        docs = list(scored.pipe(TEST_TEXTS, n_process=2, batch_size=3))
    finally:
        scored.remove_pipe("merge_entities")
    expected = list(scored.pipe(TEST_TEXTS, batch_size=3))
    assert [len(doc.ents) for doc in docs] == [len(doc.ents) for doc in expected]
    assert [len(doc) for doc in docs] != [len(doc) for doc in expected]
    # BLAS may round differently in another process.
    for found in (scores(docs), extension_scores(docs)):
        for doc_scores, doc_expected in zip(found, scores(expected), strict=True):
            assert doc_scores == pytest.approx(doc_expected, abs=1e-6)


@pytest.mark.slow
def test_spacy_apply(scored, tmp_path):
    scored.to_disk(tmp_path / "model")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("Shaka Khan sings in London", encoding="utf8")
    arguments = [tmp_path / "model", tmp_path / "texts", tmp_path / "out.spacy"]
    result = subprocess.run(
        [sys.executable, "-m", "spacy", "apply", *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (doc,) = DocBin().from_disk(tmp_path / "out.spacy").get_docs(scored.vocab)
    expected = scored("Shaka Khan sings in London")
    assert entities([doc]) == entities([expected]) == [[(0, 2, "PERSON"), (4, 5, "LOC")]]
    assert scores([doc])[0] == pytest.approx(scores([expected])[0], abs=1e-6)


@pytest.mark.slow
def test_spacy_find_threshold(trained, tmp_path):
    component = trained.get_pipe(NAME)
    component.cfg["temperature"] = 8.0
    trained.to_disk(tmp_path / "model")
    component.cfg["temperature"] = 1.0
    gold = DocBin(docs=[example.reference for example in make_examples(trained)])
    gold.to_disk(tmp_path / "gold.spacy")
    arguments = [tmp_path / "model", tmp_path / "gold.spacy", NAME, "threshold", "ents_f"]
    result = subprocess.run(
        [sys.executable, "-m", "spacy", "find-threshold", *map(str, arguments), "--n_trials", "3"],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    rows = [line.split() for line in result.stdout.splitlines()]
    trials = {row[0]: float(row[1]) for row in rows if len(row) == 2 and row[0][0].isdigit()}
    assert trials["0.0"] == 1.0
    assert trials["1.0"] == 0.0
    assert "Best threshold: 0.0 with ents_f value of 1.0" in result.stdout


def test_spans_key_at_load(trained, tmp_path):
    trained.to_disk(tmp_path)
    assert "sure" not in spacy.load(tmp_path)("London").spans
    nlp = spacy.load(tmp_path, config={f"components.{NAME}.spans_key": "sure"})
    assert len(nlp("London").spans["sure"]) == 1


def test_second_run_keeps_scores(scored):
    doc = scored("Shaka Khan sings in London")
    before = scores([doc])
    assert len(before[0]) == 2
    scored.get_pipe(NAME)(doc)
    assert scores([doc]) == before
    # Scores of removed entities are removed.
    doc.ents = [ent for ent in doc.ents if ent.label_ != "LOC"]
    doc.set_ents([], blocked=[doc[4:5]], default="unmodified")
    scored.get_pipe(NAME)(doc)
    assert scores([doc]) == [before[0][:1]]


def test_group_of_other_component_is_replaced(scored):
    doc = scored.make_doc("Shaka Khan sings in London")
    doc.spans["sure"] = SpanGroup(doc, spans=[doc[1:3]])
    assert len(scored.get_pipe(NAME)(doc).spans["sure"]) == 2


def test_extension_name_is_taken(nlp):
    Span.set_extension("taken", default=7)
    with pytest.raises(ValueError, match=r"Span\._\.taken already exists"):
        nlp.add_pipe(NAME, config={"spans_key": "sure", "extension": "taken"})
    assert nlp.make_doc("London")[0:1]._.taken == 7


def test_extension_name_of_two_components(nlp):
    nlp.add_pipe(NAME, config={"spans_key": "sure", "extension": "sureness"})
    nlp.add_pipe(NAME, name="same", config={"spans_key": "sure", "extension": "sureness"})
    with pytest.raises(ValueError, match="choose another name for the extension attribute"):
        nlp.add_pipe(NAME, name="b", config={"spans_key": "other", "extension": "sureness"})
