from pathlib import Path

import pytest

import crfsuite

from .util import DOCS, make_doc, run_command, write_corpus


def test_token_features() -> None:
    features = crfsuite.token_features("iPhone7")
    assert features.affixes == [
        *("prefix1=i", "suffix1=7", "prefix2=ip", "suffix2=e7"),
        *("prefix3=iph", "suffix3=ne7", "prefix4=ipho", "suffix4=one7"),
    ]
    assert features.others == ["lower=iphone7", "shape=xXxd"]


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("NYC", ["lower=nyc", "shape=X", "upper"]),
        ("Leeds", ["lower=leeds", "shape=Xx", "title"]),
        ("2012", ["lower=2012", "shape=d", "digit"]),
        ("#tag", ["lower=#tag", "shape=#x", "hashtag"]),
        ("#", ["lower=#", "shape=#"]),
        ("@Ann", ["lower=<USR>", "shape=@Xx", "title", "user"]),
        ("http://t.co/a1", ["lower=<URL>", "shape=x:/x.x/xd", "url"]),
    ],
)
def test_flags_and_shapes(text: str, others: list[str]) -> None:
    assert crfsuite.token_features(text).others == others


def test_window_ends_with_the_text() -> None:
    first, _, last = crfsuite.doc_features(make_doc("a b c"))
    own = ["prefix", "suffix"]
    neighbours = [feature for feature in first if not feature.startswith(tuple(own))]
    assert [feature for feature in neighbours if "shape" not in feature] == [
        *("-2:BOS", "-1:BOS", "+0:lower=a", "+1:lower=b", "+2:lower=c")
    ]
    assert "+1:EOS" in last
    assert "-2:lower=a" in last
    assert crfsuite.doc_features(make_doc("")) == []


def test_crf_learns_and_chooses_on_validation() -> None:
    pytest.importorskip("sklearn_crfsuite")
    # Under a penalty as strong as the first, nothing is learned.
    tagger, choices = crfsuite.train(DOCS, DOCS[:4], grid=[(1000.0, 0.1), (0.01, 0.01)])
    assert [(choice.c1, choice.c2) for choice in choices] == [(0.01, 0.01), (1000.0, 0.1)]
    assert choices[0].f == 1.0 > choices[1].f
    assert tagger.n_bytes > 100
    predicted = tagger.annotate(make_doc("saw Drake in New York"))
    assert [(ent.text, ent.label_) for ent in predicted.ents] == [
        ("Drake", "person"),
        ("New York", "place"),
    ]
    again, _ = crfsuite.train(DOCS, DOCS[:4], grid=[(0.01, 0.01)])
    assert again.crf.state_features_ == tagger.crf.state_features_
    assert tagger.crf.all_possible_transitions


def test_crf_cli_prints_choice_and_scores(tmp_path: Path) -> None:
    pytest.importorskip("sklearn_crfsuite")
    write_corpus(tmp_path)
    paths = [tmp_path / f"{split}.spacy" for split in ("train", "validation", "test")]
    result = run_command(crfsuite.crfsuite_cli, *paths)
    assert result.exit_code == 0, result.output
    assert "chosen on validation" in result.output
    assert "test: P, R, F1" in result.output
