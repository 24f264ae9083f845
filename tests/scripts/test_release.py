import spacy
import srsly

from model_card import SOURCES, write_card
from release import forget_strings, forget_training, set_meta

from ..pipeline.util import trained_ner

PRF = {"ents_p": 0.5, "ents_r": 0.25, "ents_f": 1 / 3}
SCORES = {**PRF, "ents_per_type": {"PERSON": {"p": 0.5, "r": 0.25, "f": 1 / 3}}}


def test_a_pipeline_works_without_the_strings_that_are_forgotten(tmp_path):
    nlp = trained_ner()
    texts = ["Who is Shaka Khan?", "I like London and Berlin."]
    expected = [[(e.text, e.label_) for e in nlp(text).ents] for text in texts]
    assert any(expected)
    set_meta(nlp, SCORES, small=True)
    nlp.to_disk(tmp_path)
    forget_strings(tmp_path, nlp, "ner" if "ner" in nlp.pipe_names else nlp.pipe_names[0])
    forget_training(tmp_path)
    loaded = spacy.load(tmp_path)
    assert [[(e.text, e.label_) for e in loaded(text).ents] for text in texts] == expected
    assert "Shaka" not in (tmp_path / "vocab" / "strings.json").read_text()
    assert loaded.meta["name"] == "tweet_ner"
    assert srsly.read_json(tmp_path / "meta.json")["performance"]["ents_p"] == 0.5


def test_model_card():
    meta = {
        "lang": "en",
        "name": "tweet_ner",
        "version": "1.2.3",
        "description": "A pipeline",
        "labels": {"twitter_bilstm_ner": ["PERSON"]},
    }
    scores = {"dev": SCORES, "dev_wnut17": PRF}
    facts = {"temperature": 1.25, "calibration": 0.04, "size": "3 MB in files."}
    card = write_card(meta, scores, facts)
    assert card.startswith("# en_tweet_ner 1.2.3\n")
    assert "| WNUT17 | 50.0 | 25.0 | 33.3 |" in card
    assert "| PERSON | 50.0 | 25.0 | 33.3 |" in card
    assert "error: 0.040" in card
    for source in SOURCES:
        assert source["license"] in card
