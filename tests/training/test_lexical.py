import hashlib
import json
import re
import sys
from itertools import pairwise

import numpy
import pytest
import spacy
from spacy.training.initialize import load_vectors_into_model

from spacy_twitter_ner.corpus.tweets import normal_words, read_tweets
from spacy_twitter_ner.lexical.clusters import TABLE, create_cluster_lookups, read_clusters
from spacy_twitter_ner.training.lexical import LexicalSettings, train_lexical

from .corpora import CITIES, FOODS, needs_lexical, write_tweets

pytestmark = needs_lexical

# Many epochs, since subsampling skips most occurrences in such a small vocabulary.
SMALL = {"width": 12, "clusters": 8, "epochs": 120, "min_count": 3}
# word2vec: fewer rows than words. floret: enough rows for few hash collisions.
ROWS = {"word2vec": 35, "floret": 500}
ONE_EPOCH = {**SMALL, "epochs": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with one output folder per algorithm."""
    folder = tmp_path_factory.mktemp("lexical")
    tweets = [write_tweets(folder / "a.txt"), write_tweets(folder / "b.txt.gz", n=300)]
    for algorithm, rows in ROWS.items():
        settings = LexicalSettings(algorithm=algorithm, max_words=rows, **SMALL)
        train_lexical(tweets, folder / algorithm, settings)
    return folder


def vectors_of(folder):
    return spacy.load(folder / "vectors").vocab.vectors


def similarity(vectors, first, second):
    a, b = (vectors[word].astype("float32") for word in (first, second))
    return float(a @ b / numpy.linalg.norm(a) / numpy.linalg.norm(b))


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["word2vec", "floret"])
def test_similar_words_share_a_cluster(trained, algorithm):
    paths = {word.word: word.path for word in read_clusters(trained / algorithm / "clusters.tsv")}
    if algorithm == "word2vec":
        assert len({paths[city] for city in CITIES}) == 1
        assert len({paths[food] for food in FOODS}) == 1
    # With floret, words of the same kind may be in different clusters because of their n-grams.
    assert not {paths[city] for city in CITIES} & {paths[food] for food in FOODS}


@pytest.mark.slow
def test_similar_words_have_similar_vectors(trained):
    vectors = vectors_of(trained / "word2vec")
    cities, foods = ([w for w in words if vectors.find(key=w) >= 0] for words in (CITIES, FOODS))
    assert min(len(cities), len(foods)) >= 2
    alike = [similarity(vectors, *pair) for kind in (cities, foods) for pair in pairwise(kind)]
    others = [similarity(vectors, city, food) for city in cities for food in foods]
    assert min(alike) > max(others)


@pytest.mark.slow
def test_max_words_limits_vectors_but_not_clusters(trained):
    vectors = vectors_of(trained / "word2vec")
    assert vectors.shape == (35, 12)
    assert vectors.n_keys == 35
    words = sorted(read_clusters(trained / "word2vec" / "clusters.tsv"), key=lambda w: w.frequency)
    assert len(words) > 35
    left_out = {word.word for word in words if vectors.find(key=word.word) < 0}
    assert len(left_out) == len(words) - 35
    least = min(word.frequency for word in words if word.word not in left_out)
    assert all(word.frequency <= least for word in words if word.word in left_out)


@pytest.mark.slow
def test_clusters_have_word_frequencies(trained):
    text = "\n".join(read_tweets([trained / "a.txt", trained / "b.txt.gz"]))
    counts = {word.word: word.frequency for word in read_clusters(trained / "floret/clusters.tsv")}
    assert counts["london"] == text.count("london")
    assert counts["<USR>"] == text.count("@")
    assert counts["<URL>"] == text.count("http")
    assert "</s>" not in counts
    frequencies = [
        word.frequency
        for word in sorted(read_clusters(trained / "word2vec" / "clusters.tsv"))
        if word.word in counts
    ]
    assert sorted(frequencies) == sorted(counts.values())


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "dtype"), [("word2vec", "float16"), ("floret", "float32")])
def test_vectors_can_be_loaded_into_pipeline(trained, algorithm, dtype, tmp_path):
    nlp = spacy.blank("en")
    load_vectors_into_model(nlp, trained / algorithm / "vectors")
    assert nlp.vocab.vectors.data.dtype == dtype
    assert nlp.vocab.vectors.shape == (ROWS[algorithm], 12)
    assert nlp.vocab.vectors.name == "en_tweets.vectors"
    assert nlp("dinner").has_vector
    nlp.to_disk(tmp_path)
    assert (spacy.load(tmp_path).vocab.vectors.data == nlp.vocab.vectors.data).all()


@pytest.mark.slow
def test_clusters_can_be_loaded_as_lookups(trained):
    lookups = create_cluster_lookups(trained / "word2vec" / "clusters.tsv")
    table = lookups.get_table(TABLE)
    assert table["london"] == table["paris"] != table["pizza"]
    assert "<USR>" in table
    assert "<URL>" in table


def test_floret_table_matches_floret(tmp_path):
    import floret

    from spacy_twitter_ner.training.lexical import train_floret

    words = tmp_path / "words.txt"
    words.write_text("\n".join(map(" ".join, map(normal_words, read_tweets([_some(tmp_path)])))))
    models = []
    original = floret.train_unsupervised
    settings = LexicalSettings(algorithm="floret", max_words=50, **SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            floret,
            "train_unsupervised",
            lambda *a, **k: models.append(original(*a, **k)) or models[0],
        )
        trained = train_floret(words, settings, print)
    unseen = ["london", "londoners", "é😂", "<USR>"]
    expected = numpy.stack([models[0].get_word_vector(word) for word in unseen])
    assert trained.table.get_batch(unseen) == pytest.approx(expected, abs=1e-4)


def _some(tmp_path):
    return write_tweets(tmp_path / "tweets.txt", n=300)


@pytest.mark.slow
def test_training_is_deterministic(trained, tmp_path):
    tweets = [trained / "a.txt", trained / "b.txt.gz"]
    for algorithm, rows in ROWS.items():
        settings = LexicalSettings(algorithm=algorithm, max_words=rows, **SMALL)
        train_lexical(tweets, tmp_path / algorithm, settings)
        for name in ("clusters.tsv", "vectors/vocab/vectors", "vectors/vocab/key2row"):
            first, second = (folder / algorithm / name for folder in (trained, tmp_path))
            assert first.read_bytes() == second.read_bytes(), (algorithm, name)


@pytest.mark.slow
def test_seed_changes_vectors(trained, tmp_path):
    tweets = [trained / "a.txt", trained / "b.txt.gz"]
    train_lexical(tweets, tmp_path, LexicalSettings(max_words=35, seed=1, **SMALL))
    assert (vectors_of(tmp_path).data != vectors_of(trained / "word2vec").data).any()


@pytest.mark.slow
def test_meta_json(trained):
    meta = json.loads((trained / "word2vec" / "meta.json").read_text(encoding="utf-8"))
    assert meta["tweets"] == 1500
    assert meta["tokens"] > 10 * 1500
    assert meta["vectors"] == [35, 12]
    assert meta["dtype"] == "float16"
    assert meta["clusters"] == 8
    assert meta["settings"]["window"] == 4
    assert meta["settings"]["epochs"] == 120
    assert meta["packages"]["spacy"] == spacy.__version__
    assert {"gensim", "scikit-learn", "spacy-twitter-ner"} < set(meta["packages"])
    assert re.match(r"\d{4}-\d\d-\d\dT.*\+00:00\Z", meta["date"])
    for file, name in zip(meta["files"], ("a.txt", "b.txt.gz"), strict=True):
        data = (trained / name).read_bytes()
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        assert file == {"name": name, "bytes": len(data), "md5": md5}


def test_dtype_float32(tmp_path):
    settings = LexicalSettings(dtype="float32", **ONE_EPOCH)
    train_lexical([_some(tmp_path)], tmp_path / "out", settings)
    assert vectors_of(tmp_path / "out").data.dtype == "float32"


def test_progress_messages(tmp_path):
    messages = []
    settings = LexicalSettings(**{**SMALL, "epochs": 2})
    train_lexical([_some(tmp_path)], tmp_path / "out", settings, progress=messages.append)
    assert messages[0] == "Reading 1 file"
    assert messages[1].startswith("Training on 300 tweets, ")
    assert messages[2:4] == ["Epoch 1 of 2", "Epoch 2 of 2"]
    assert messages[4].startswith("Clustering ")


def test_training_raises_error_if_not_utf8(tmp_path):
    path = tmp_path / "tweets.txt"
    path.write_bytes(b"one\n\ncaf\xe9\n")
    with pytest.raises(ValueError, match=re.escape(f"{path}:3: not UTF-8: byte 0xe9")):
        train_lexical([path], tmp_path / "out", LexicalSettings(**SMALL))
    assert not (tmp_path / "out").exists()


def test_training_raises_error_on_missing_files(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=re.escape(f"{tmp_path / 'none.txt'}: no such file")
    ):
        train_lexical([_some(tmp_path), tmp_path / "none.txt"], tmp_path / "out")


def test_training_raises_error_if_output_is_file(tmp_path):
    path = _some(tmp_path)
    with pytest.raises(FileExistsError, match="name an output folder"):
        train_lexical([path], path)


@pytest.mark.parametrize("algorithm", ["word2vec", "floret"])
@pytest.mark.parametrize(
    ("text", "message"),
    [("", "there are no tweets"), ("\n \n", "there are no tweets"), ("so few words\n", "Too few")],
)
def test_training_raises_error_on_too_few_tweets(tmp_path, algorithm, text, message):
    path = tmp_path / "tweets.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        train_lexical([path], tmp_path / "out", LexicalSettings(algorithm=algorithm))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("package", ["gensim", "sklearn"])
def test_missing_packages_raise_error_with_extra(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r'pip install "spacy-twitter-ner\[vectors\]"') as error:
        train_lexical([_some(tmp_path)], tmp_path / "out")
    assert {"sklearn": "scikit-learn"}.get(package, package) in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width: must be at least 1, got 0"),
        ({"clusters": 1}, "clusters: must be at least 2, got 1"),
        ({"max_words": 1}, "max_words: must be at least 2"),
        ({"min_count": 0}, "min_count: must be at least 1"),
        ({"workers": 0}, "workers: must be at least 1"),
        ({"algorithm": "glove"}, "algorithm: must be word2vec or floret, got 'glove'"),
        ({"dtype": "float64"}, "dtype: must be float16 or float32, got 'float64'"),
        ({"algorithm": "floret", "dtype": "float16"}, "only supports float32"),
    ],
)
def test_settings_are_validated(settings, message):
    with pytest.raises(ValueError, match=message):
        LexicalSettings(**settings)
