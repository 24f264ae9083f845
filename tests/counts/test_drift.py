import json

import pytest

from spacy_twitter_ner.counts.candidates import Sums
from spacy_twitter_ner.counts.drift import (
    NOTHING,
    RETRAIN,
    TEACH,
    Drift,
    RisingName,
    Sample,
    add_examples,
    find_rising,
    give_advice,
)
from spacy_twitter_ner.counts.drift_page import make_page

from ..cli.util import run

OLD = Sample(tweets=1000, words=12_000, unknown=0.03, names=0.9, confidence=0.9)
UNSURE = RisingName("Zorblat", "product", 0.0, 40.0, 6.0, 0.5, True, [])


def names(**counts):
    """Names with an expected count and a mean probability."""
    return {
        (text.casefold(), "person"): (text, Sums(0, p, p * (1 - confidence)))
        for text, (p, confidence) in counts.items()
    }


def test_rising_names():
    old = names(Drake=(50, 0.95), Adele=(40, 0.95), Kim=(300, 0.9))
    new = names(
        Drake=(52, 0.95), Adele=(140, 0.95), Zorblat=(60, 0.6), Once=(1, 0.3), Kim=(310, 0.9)
    )
    rising = find_rising(old, new)
    # The one that the pipeline is unsure of first.
    assert [each.text for each in rising] == ["Zorblat", "Adele"]
    assert [each.is_unsure for each in rising] == [True, False]
    assert rising[0].confidence == pytest.approx(0.6)
    assert not find_rising(new, new)
    # Twice as many of everything isn't a change.
    twice = {name: (text, Sums(0, 2 * s.p, 2 * s.v)) for name, (text, s) in old.items()}
    assert not find_rising(old, twice)


def test_examples_are_whole_words():
    texts = ["zorblatting", "my ZORBLAT!", "#zorblat", "none", "zorblat zorblat", "Zorblat 4"]
    (found,) = add_examples([UNSURE], iter(texts))
    assert found.examples == ["my ZORBLAT!", "#zorblat", "zorblat zorblat"]


def test_advice():
    assert give_advice(OLD, OLD, [UNSURE])[0] == NOTHING
    advice, (reason,) = give_advice(OLD, OLD, [UNSURE] * 3)
    assert advice == TEACH
    assert "unsure of 3 rising names" in reason
    advice, reasons = give_advice(OLD, OLD._replace(unknown=0.1, confidence=0.8), [])
    assert advice == RETRAIN
    assert len(reasons) == 2


def test_page_escapes_tweets():
    evil = UNSURE._replace(text="<script>", examples=['<img src=x onerror="alert(1)">'])
    page = make_page(Drift("<model>", OLD, OLD, [evil], NOTHING, ["<b>"]))
    assert "<script" not in page
    assert "<img" not in page
    assert "<b>" not in page
    assert "&lt;model&gt;" in page
    assert "default-src 'none'; style-src 'sha256-" in page


def test_command(saved_pipeline, tmp_path):
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text("saw Drake in Chicago\n" * 20, encoding="utf8")
    new.write_text("saw Drake in Chicago\nso tired\n" * 20, encoding="utf8")
    outputs = ["-o", tmp_path / "drift.html", "-o", tmp_path / "drift.json"]
    result = run("drift", saved_pipeline, old, new, *outputs)
    assert result.exit_code == 0, result.output
    assert "Advice: nothing" in result.output
    data = json.loads((tmp_path / "drift.json").read_text(encoding="utf8"))
    assert (data["old"]["tweets"], data["new"]["tweets"]) == (20, 40)
    assert data["new"]["names"] < data["old"]["names"]
    assert "<h1>Drift</h1>" in (tmp_path / "drift.html").read_text(encoding="utf8")
    (tmp_path / "empty.txt").write_text("")
    result = run("drift", saved_pipeline, old, tmp_path / "empty.txt")
    assert result.exit_code == 1
    assert "no tweets to compare" in " ".join(result.output.split())
