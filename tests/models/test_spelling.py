"""All embeddings are computed from the normalized spelling of a word."""

import unicodedata
from collections.abc import Callable

import numpy
import pytest
from spacy.lookups import Lookups
from spacy.strings import StringStore
from spacy.tokens import Doc
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.api import Model

from spacy_twitter_ner.lexical.clusters import create_cluster_lookups
from spacy_twitter_ner.models.char_embed import CharEmbed
from spacy_twitter_ner.models.cluster_embed import ClusterEmbed
from spacy_twitter_ner.models.embed import TweetEmbed, WordEmbed
from spacy_twitter_ner.models.gazetteer import GazetteerEmbed, fit_gazetteer, make_gazetteer
from spacy_twitter_ner.models.hashtag_embed import HashtagEmbed
from spacy_twitter_ner.models.lexeme_features import LexemeFeatures
from spacy_twitter_ner.models.lexemes import FEATURES, count_orths, lexeme_features
from spacy_twitter_ner.models.vector_embed import VectorEmbed

from ..spellings import inserted, styled
from .docs import fit_and_initialize

PLAIN = "saw Zoë at #CaféRouge in Málaga with @Kim so naïve"
OTHERS = {
    "decomposed": unicodedata.normalize("NFD", PLAIN),
    "bold": styled(PLAIN, "bold"),
    "bold and decomposed": styled(unicodedata.normalize("NFD", PLAIN), "bold"),
    "script": styled(PLAIN, "script"),
    "full-width": styled(PLAIN, "full-width").replace("#", "＃").replace("@", "＠"),
    "strikethrough": inserted(PLAIN, "strikethrough"),
    "soft hyphens": inserted(PLAIN, "soft hyphen"),
    "zero-width spaces": "\u200b".join(PLAIN.replace(" ", "  ")).replace(" \u200b ", " "),
}


def make_vocab(folder) -> Vocab:
    words = ["Zoë", "málaga", "caférouge", "naïve", "<USR>", "saw"]
    vocab = Vocab(lookups=Lookups())
    vocab.vectors = Vectors(
        strings=StringStore(words), data=numpy.eye(6, dtype="float32"), keys=words
    )
    path = folder / "clusters.tsv"
    lines = (f"{number:03b}\t{word}\t1\n" for number, word in enumerate(words))
    path.write_text(unicodedata.normalize("NFD", "".join(lines)), encoding="utf-8")
    vocab.lookups = create_cluster_lookups(path)
    return vocab


def make_doc(vocab: Vocab, text: str) -> Doc:
    return Doc(vocab, words=text.split(" "))


def make_floret(vocab: Vocab) -> Vocab:
    vocab.vectors = Vectors(
        data=numpy.random.RandomState(0).normal(size=(50, 6)).astype("float32"),
        mode="floret",
        minn=3,
        maxn=4,
        hash_count=2,
    )
    return vocab


PARTS: dict[str, Callable[[], Model]] = {
    "features": lambda: TweetEmbed(LexemeFeatures(list(FEATURES), [3] * len(FEATURES))),
    "words": lambda: WordEmbed(8),
    "characters": lambda: TweetEmbed(CharEmbed(8, min_freq=1)),
    "hashtags": lambda: TweetEmbed(HashtagEmbed(8, min_freq=1)),
    "clusters": lambda: TweetEmbed(ClusterEmbed([2, 0], [4, 4])),
    "vectors": lambda: TweetEmbed(VectorEmbed(8)),
    "floret": lambda: TweetEmbed(VectorEmbed(8)),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("spelling", OTHERS)
def test_embeddings(tmp_path, part: str, spelling: str) -> None:
    """In training and in prediction, whichever of both spellings was seen in training."""
    vocab = make_vocab(tmp_path)
    if part == "floret":
        vocab = make_floret(vocab)
    doc, other = make_doc(vocab, PLAIN), make_doc(vocab, OTHERS[spelling])
    assert len(doc) == len(other)
    for seen in (doc, other):
        model = fit_and_initialize(PARTS[part](), [seen])
        expected, found = model.predict([doc, other])
        numpy.testing.assert_array_equal(found, expected)
        # Known words differ from unknown ones.
        (unknown,) = model.predict([make_doc(vocab, "#zzyzx")])
        assert not numpy.array_equal(expected[3], unknown[0])


@pytest.mark.parametrize("spelling", OTHERS)
def test_features(spelling: str) -> None:
    for word, other in zip(PLAIN.split(" "), OTHERS[spelling].split(" "), strict=True):
        assert lexeme_features(other, FEATURES) == lexeme_features(word, FEATURES)


@pytest.mark.parametrize("is_list", [True, False])
@pytest.mark.parametrize("spelling", OTHERS)
def test_gazetteers(nlp, spelling: str, is_list: bool) -> None:
    """A phrase is found in any spelling, whichever the list or the training data has."""
    texts = [PLAIN, OTHERS[spelling]]
    docs = [make_doc(nlp.vocab, text) for text in texts]
    for text in texts:
        phrase = text.split(" ")[5]
        gold = make_doc(nlp.vocab, f"in {phrase}")
        gold.ents = [gold.char_span(3, 3 + len(phrase), label="city")]
        gazetteer = make_gazetteer(*([], {"city": [phrase]}) if is_list else ([gold],))
        found = gazetteer.features(docs, hold_out=False)[0]
        assert found.tolist() == [5, len(docs[0]) + 5]


def test_training_docs_are_held_out_in_any_spelling(nlp) -> None:
    gold = make_doc(nlp.vocab, "in Málaga")
    gold.ents = [gold.char_span(3, 9, label="city")]
    gazetteer = make_gazetteer([gold])
    for text in ("in Málaga", "in Ma\u0301laga", styled("in Málaga", "bold")):
        doc = make_doc(nlp.vocab, text)
        assert gazetteer.features([doc], hold_out=False)[0].tolist() == [1]
        assert gazetteer.features([doc], hold_out=True)[0].tolist() == []


def test_counts_of_all_spellings_add_up(nlp) -> None:
    doc = make_doc(nlp.vocab, "Zoë Zoe\u0308 𝗭𝗼𝗲\u0308 Zoë")
    assert count_orths([doc]) == {"Zoë": 4}


def test_gazetteer_embed_finds_any_spelling(nlp) -> None:
    """Through the layer, as in training and as in prediction."""
    model = GazetteerEmbed(4)
    gold = make_doc(nlp.vocab, "in Ma\u0301laga")
    gold.ents = [gold.char_span(3, 10, label="city")]
    fit_gazetteer(model, [gold])
    model.initialize()
    doc = make_doc(nlp.vocab, "in 𝗠𝗮́𝗹𝗮𝗴𝗮 and Málaga")
    (vectors,) = model.predict([doc])
    numpy.testing.assert_array_equal(vectors[1], vectors[3])
    assert vectors[1].any()
