"""The pretrained pipeline that is part of the package."""

import re
import subprocess
import sys
from importlib.resources import files

import pytest
import spacy
import srsly

import spacy_twitter_ner
from spacy_twitter_ner import PRETRAINED

TEXT = "RT @kim: saw Drake in Chicago last nite, flying to New York tmrw"


@pytest.fixture(scope="module")
def pretrained():
    return spacy_twitter_ner.load()


def test_finds_entities_in_raw_text(pretrained):
    found = {(ent.text, ent.label_) for ent in pretrained(TEXT).ents}
    assert {("Chicago", "geo-loc"), ("New York", "geo-loc")} <= found
    assert [token.text for token in pretrained.make_doc("@kim: lol")] == ["@kim", ":", "lol"]


def test_examples_of_the_service_page_are_right(pretrained):
    script = files("spacy_twitter_ner.serving") / "page" / "main.js"
    examples = re.findall('^  "(.+)",$', script.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [[(e.text, e.label_) for e in pretrained(text).ents] for text in examples] == [
        [("Drake", "musicartist"), ("Chicago", "geo-loc")],
        [("Heathrow", "facility"), ("Delta", "company"), ("New York", "geo-loc")],
        [("Manchester United", "sportsteam"), ("Arsenal", "sportsteam")],
        [],
    ]


def test_is_calibrated_and_tells_confidence(pretrained):
    ner = pretrained.get_pipe("twitter_bilstm_ner")
    assert ner.cfg["temperature"] != 1.0
    scores = ner.predict_spans([pretrained.make_doc(TEXT)], 0.5)[0].attrs["scores"]
    assert all(0.5 <= score <= 1 for score in scores)


def test_takes_what_spacy_load_takes():
    nlp = spacy_twitter_ner.load(
        config={"components.twitter_bilstm_ner.spans_key": "sure"}, vocab=spacy.blank("en").vocab
    )
    assert "sure" in nlp(TEXT).spans
    assert spacy_twitter_ner.load(exclude=["twitter_bilstm_ner"]).pipe_names == []


@pytest.mark.parametrize(
    ("types", "place"), [("fine", "geo-loc"), ("ten", "geo-loc"), ("coarse", "location")]
)
def test_types(types: str, place: str) -> None:
    nlp = spacy_twitter_ner.load(types)
    assert ("Chicago", place) in [(ent.text, ent.label_) for ent in nlp(TEXT).ents]
    labels = nlp.get_pipe("twitter_bilstm_ner").output_labels
    assert len(labels) == {"fine": 13, "ten": 10, "coarse": 7}[types]


def test_types_are_saved(tmp_path):
    spacy_twitter_ner.load("coarse").to_disk(tmp_path)
    assert "location" in {ent.label_ for ent in spacy.load(tmp_path)(TEXT).ents}


def test_types_with_other_config():
    config = {"components": {"twitter_bilstm_ner": {"spans_key": "sure"}}}
    doc = spacy_twitter_ner.load("coarse", config=config)(TEXT)
    assert "location" in {span.label_ for span in doc.spans["sure"]}


def test_unknown_types_are_an_error():
    with pytest.raises(ValueError, match="fine, coarse, ten"):
        spacy_twitter_ner.load("twelve")


def test_is_as_small_as_promised():
    size = sum(path.stat().st_size for path in PRETRAINED.rglob("*") if path.is_file())
    assert size < 13_000_000


def test_meta_and_model_card_say_what_it_is():
    meta = srsly.read_json(PRETRAINED / "meta.json")
    assert f"{meta['lang']}_{meta['name']}" == "en_tweet_ner"
    assert meta["version"] == spacy_twitter_ner.__version__
    card = (PRETRAINED / "README.md").read_text(encoding="utf-8")
    for source in meta["sources"]:
        assert source["license"] in card
    for label in meta["labels"]["twitter_bilstm_ner"]:
        assert f"| {label} |" in card
    found = re.search(r"thirteen types \| [\d.]+ \| [\d.]+ \| ([\d.]+) \|", card)
    assert float(found[1]) == round(100 * meta["performance"]["ents_f"], 1)
    assert "{" not in card.replace("```", "")


def test_holds_no_path_of_where_it_was_trained_and_few_strings():
    config = spacy.util.load_config(PRETRAINED / "config.cfg")
    assert set(config["paths"].values()) == {None}
    labels = srsly.read_json(PRETRAINED / "meta.json")["labels"]["twitter_bilstm_ner"]
    assert set(srsly.read_json(PRETRAINED / "vocab" / "strings.json")) == set(labels)
    gazetteer = next(
        node.attrs["gazetteer"]
        for node in spacy_twitter_ner.load().get_pipe("twitter_bilstm_ner").model.walk()
        if "gazetteer" in node.attrs
    )
    # Phrases of lists only: none was counted in the training data.
    assert gazetteer.counts.size == 0
    assert len(gazetteer.own_keys) == 0


def test_importing_the_package_does_not_import_spacy():
    code = "import sys, spacy_twitter_ner; sys.exit('spacy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
