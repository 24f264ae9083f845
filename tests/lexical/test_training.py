import bz2
import gzip
import hashlib
import json
import lzma
import re
import sys
from itertools import pairwise

import numpy
import pytest
import spacy
from spacy.training.initialize import load_vectors_into_model

from spacy_twitter_ner.lexical.clusters import TABLE, create_cluster_lookups, read_clusters
from spacy_twitter_ner.lexical.tokenizing import normal_words
from spacy_twitter_ner.lexical.training import LexicalSettings, read_tweets, train_lexical

from .corpora import CITIES, FOODS, needs_lexical, write_tweets

pytestmark = needs_lexical

# Many epochs: in so small a vocabulary all words are frequent, and most occurrences left out.
SMALL = {"width": 12, "clusters": 8, "epochs": 120, "min_count": 3}
# word2vec: too few rows for all words; floret: enough that few n-grams share one.
ROWS = {"word2vec": 35, "floret": 500}
ONE_EPOCH = {**SMALL, "epochs": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folders of what was trained, by algorithm."""
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


@pytest.mark.parametrize("algorithm", ["word2vec", "floret"])
def test_words_used_alike_share_a_cluster(trained, algorithm):
    paths = {word.word: word.path for word in read_clusters(trained / algorithm / "clusters.tsv")}
    if algorithm == "word2vec":
        assert len({paths[city] for city in CITIES}) == 1
        assert len({paths[food] for food in FOODS}) == 1
    # The n-grams of floret tell words of a kind apart that word2vec does not.
    assert not {paths[city] for city in CITIES} & {paths[food] for food in FOODS}


def test_words_used_alike_have_similar_vectors(trained):
    vectors = vectors_of(trained / "word2vec")
    cities, foods = ([w for w in words if vectors.find(key=w) >= 0] for words in (CITIES, FOODS))
    assert min(len(cities), len(foods)) >= 2
    alike = [similarity(vectors, *pair) for kind in (cities, foods) for pair in pairwise(kind)]
    others = [similarity(vectors, city, food) for city in cities for food in foods]
    assert min(alike) > max(others)


def test_the_most_frequent_words_have_vectors_and_all_have_clusters(trained):
    vectors = vectors_of(trained / "word2vec")
    assert vectors.shape == (35, 12)
    assert vectors.n_keys == 35
    words = sorted(read_clusters(trained / "word2vec" / "clusters.tsv"), key=lambda w: w.frequency)
    assert len(words) > 35
    left_out = {word.word for word in words if vectors.find(key=word.word) < 0}
    assert len(left_out) == len(words) - 35
    least = min(word.frequency for word in words if word.word not in left_out)
    assert all(word.frequency <= least for word in words if word.word in left_out)


def test_clusters_tell_true_frequencies(trained):
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


@pytest.mark.parametrize(("algorithm", "dtype"), [("word2vec", "float16"), ("floret", "float32")])
def test_vectors_reach_a_pipeline(trained, algorithm, dtype, tmp_path):
    nlp = spacy.blank("en")
    load_vectors_into_model(nlp, trained / algorithm / "vectors")
    assert nlp.vocab.vectors.data.dtype == dtype
    assert nlp.vocab.vectors.shape == (ROWS[algorithm], 12)
    assert nlp.vocab.vectors.name == "en_tweets.vectors"
    assert nlp("dinner").has_vector
    nlp.to_disk(tmp_path)
    assert (spacy.load(tmp_path).vocab.vectors.data == nlp.vocab.vectors.data).all()


def test_clusters_reach_a_pipeline(trained):
    lookups = create_cluster_lookups(trained / "word2vec" / "clusters.tsv")
    table = lookups.get_table(TABLE)
    assert table["london"] == table["paris"] != table["pizza"]
    assert "<USR>" in table
    assert "<URL>" in table


def test_floret_vectors_are_those_that_floret_computes(tmp_path):
    import floret

    from spacy_twitter_ner.lexical.training import train_floret

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


def test_two_runs_agree(trained, tmp_path):
    tweets = [trained / "a.txt", trained / "b.txt.gz"]
    for algorithm, rows in ROWS.items():
        settings = LexicalSettings(algorithm=algorithm, max_words=rows, **SMALL)
        train_lexical(tweets, tmp_path / algorithm, settings)
        for name in ("clusters.tsv", "vectors/vocab/vectors", "vectors/vocab/key2row"):
            first, second = (folder / algorithm / name for folder in (trained, tmp_path))
            assert first.read_bytes() == second.read_bytes(), (algorithm, name)


def test_another_seed_gives_other_vectors(trained, tmp_path):
    tweets = [trained / "a.txt", trained / "b.txt.gz"]
    train_lexical(tweets, tmp_path, LexicalSettings(max_words=35, seed=1, **SMALL))
    assert (vectors_of(tmp_path).data != vectors_of(trained / "word2vec").data).any()


def test_meta_tells_how_they_were_made(trained):
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


def test_float32_on_request(tmp_path):
    settings = LexicalSettings(dtype="float32", **ONE_EPOCH)
    train_lexical([_some(tmp_path)], tmp_path / "out", settings)
    assert vectors_of(tmp_path / "out").data.dtype == "float32"


def test_progress_is_told(tmp_path):
    messages = []
    settings = LexicalSettings(**{**SMALL, "epochs": 2})
    train_lexical([_some(tmp_path)], tmp_path / "out", settings, progress=messages.append)
    assert messages[0] == "Reading 1 file(s)"
    assert messages[1].startswith("Training on 300 tweets, ")
    assert messages[2:4] == ["Epoch 1 of 2", "Epoch 2 of 2"]
    assert messages[4].startswith("Clustering ")


def test_blank_lines_are_no_tweets(tmp_path):
    path = tmp_path / "tweets.txt"
    path.write_text("one\n\n  \ntwo\u2028three\r\nfour", encoding="utf-8")
    assert list(read_tweets([path, path])) == ["one", "two\u2028three", "four"] * 2


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", '{"text": "hi Mia"}\n{"delete": {}}\n{"text": "so\\ntired"}\n'),
        ("a.json", '[{"text": "hi Mia"}, {"text": "so\\r\\ntired"}]'),
        ("a.csv", 'id,text\n1,hi Mia\n2,"so\ntired"\n'),
        ("a.TSV", "id\ttext\n1\thi Mia\n2\tso tired\n"),
        ("a.dat", "hi Mia\nso tired\n"),
        ("a.txt", "\ufeffhi Mia\nso tired\n"),
    ],
)
@pytest.mark.parametrize("compress", [None, bz2, lzma])
def test_formats_of_tweets(tmp_path, name, data, compress):
    suffix = {None: "", bz2: ".bz2", lzma: ".xz"}[compress]
    path = tmp_path / f"{name}{suffix}"
    path.write_bytes(compress.compress(data.encode()) if compress else data.encode())
    assert list(read_tweets([path])) == ["hi Mia", "so tired"]


@pytest.mark.parametrize("name", ["a.txt", "a.dat", "a.txt.gz"])
@pytest.mark.parametrize("data", ['{"text": "hi Mia"}\n', '[\n {"text": "hi Mia"}\n]'])
def test_json_is_no_text(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(gzip.compress(data.encode()) if name.endswith(".gz") else data.encode())
    with pytest.raises(ValueError, match="looks like JSON, not text: name it"):
        list(read_tweets([path]))


@pytest.mark.parametrize(
    ("name", "data"), [("a.jsonl", '{"text": "hi"}\n{"no": 1}\n'), ("a.csv", 'text,id\n"hi\nx,1\n')]
)
def test_records_that_cannot_be_read(tmp_path, name, data):
    path = tmp_path / name
    path.write_text(data)
    with pytest.raises(ValueError, match=re.escape(f"{path}:2: ")):
        list(read_tweets([path]))


def test_lines_that_are_not_utf8(tmp_path):
    path = tmp_path / "tweets.txt"
    path.write_bytes(b"one\n\ncaf\xe9\n")
    with pytest.raises(ValueError, match=re.escape(f"{path}:3: not UTF-8: byte 0xe9")):
        train_lexical([path], tmp_path / "out", LexicalSettings(**SMALL))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", [lambda data: b"plain text\n", lambda data: data[:-20]])
def test_files_that_are_not_gzipped_or_cut_off(tmp_path, damage):
    path = write_tweets(tmp_path / "tweets.txt.gz")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"tweets.txt.gz:\d+: not gzipped, or cut off"):
        list(read_tweets([path]))


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape(f"{tmp_path / 'none.txt'}: there is no")):
        train_lexical([_some(tmp_path), tmp_path / "none.txt"], tmp_path / "out")


def test_a_file_as_output(tmp_path):
    path = _some(tmp_path)
    with pytest.raises(FileExistsError, match="name a folder"):
        train_lexical([path], path)


@pytest.mark.parametrize("algorithm", ["word2vec", "floret"])
@pytest.mark.parametrize(
    ("text", "message"),
    [("", "there are no tweets"), ("\n \n", "there are no tweets"), ("so few words\n", "Too few")],
)
def test_too_few_tweets(tmp_path, algorithm, text, message):
    path = tmp_path / "tweets.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        train_lexical([path], tmp_path / "out", LexicalSettings(algorithm=algorithm))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("package", ["gensim", "sklearn"])
def test_missing_packages_are_named_with_the_extra(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'spacy-twitter-ner\[lexical\]'") as error:
        train_lexical([_some(tmp_path)], tmp_path / "out")
    assert {"sklearn": "scikit-learn"}.get(package, package) in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width: at least 1, not 0"),
        ({"clusters": 1}, "clusters: at least 2, not 1"),
        ({"max_words": 1}, "max_words: at least 2"),
        ({"min_count": 0}, "min_count: at least 1"),
        ({"workers": 0}, "workers: at least 1"),
        ({"algorithm": "glove"}, "algorithm: word2vec or floret, not 'glove'"),
        ({"dtype": "float64"}, "dtype: float16 or float32, not 'float64'"),
        ({"algorithm": "floret", "dtype": "float16"}, "as float32 only"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        LexicalSettings(**settings)


@pytest.mark.parametrize(
    ("tweet", "words"),
    [
        ("RT @Bob: I'm at O'Neill's", ["rt", "<USR>", ":", "i'm", "at", "o'neill's"]),
        ("see http://t.co/x1, www.a.b/c t.co/Ab", ["see", "<URL>", "<URL>", "<URL>"]),
        ("#Arsenal2 $TSLA #", ["arsenal0", "$tsla", "#"]),
        ("Tom &amp; Jerry AT&T a&nbsp;b", ["tom", "&", "jerry", "at&t", "a", "b"]),
        (":) :-D <3 :'( -_- (: word:D", [":)", ":-d", "<0", ":'(", "-_-", "(:", "word", ":d"]),
        ("U.S. state-of-the-art don’t", ["u.s.", "state-of-the-art", "don’t"]),
        ("10:30pm 3,000.50 2nd", ["00:00pm", "0,000.00", "0nd"]),
        ("so goooood!!!! ok?!", ["so", "good", "!!", "ok", "?", "!"]),
        ("(see: this)", ["(", "see", ":", "this", ")"]),
        ("😂😂😂❤️👍🏽no", ["😂😂", "❤️", "👍🏽", "no"]),
        ("a\x00b\x07", ["a", "b"]),
        ("Zoe\u0308 in #Ma\u0301laga", ["zoë", "in", "málaga"]),
        ("𝗭𝗼𝗲\u0308 in ＃Ｍálaga", ["zoë", "in", "málaga"]),
        ("\u2066@kim\u2069 s\u0336o\u0336 fi\u00adne \u200bok", ["<USR>", "so", "fine", "ok"]),
        ("", []),
    ],
)
def test_words_of_tweets(tweet, words):
    assert normal_words(tweet) == words


def test_no_word_has_white_space():
    """It would be cut in two, or a tweet in two, when the words are read from a file."""
    tweet = "a&#10;b &#x2028; &nbsp;&emsp; \x85 \u2029 c"
    assert normal_words(tweet) == ["a", "b", "c"]
