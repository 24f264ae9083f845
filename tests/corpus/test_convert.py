import os
import stat
from pathlib import Path

import pytest
import spacy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from spacy.tokens import DocBin
from spacy.training import Corpus, Example
from spacy.vocab import Vocab

from spacy_twitter_ner.corpus.convert import convert, docs_from_tweets
from spacy_twitter_ner.corpus.tagfile import CorpusError, Problem, TaggedTweet

TRAIN = "RT O\n#Arsenal B-team\nwon't O\n\nJustin B-person\nBieber I-person\n"
TEST = "Bob B-person\n"
TOKENS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)


def read_docs(path):
    return list(DocBin().from_disk(path).get_docs(Vocab()))


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_convert_file_to_file(write, tmp_path):
    path = write("train.txt", TRAIN)
    conversion = convert([path], tmp_path / "out" / "tweets.spacy")
    assert conversion.outputs == [tmp_path / "out" / "tweets.spacy"]
    assert (conversion.problems, conversion.notes) == ([], [])
    docs = read_docs(conversion.outputs[0])
    assert [[token.text for token in doc] for doc in docs] == [
        ["RT", "#Arsenal", "won't"],
        ["Justin", "Bieber"],
    ]
    assert [[(e.start, e.end, e.label_) for e in doc.ents] for doc in docs] == [
        [(1, 2, "team")],
        [(0, 2, "person")],
    ]
    docbin = DocBin(store_user_data=True).from_disk(conversion.outputs[0])
    assert docbin.user_data == [None, None]


def test_convert_files_to_folder(write, tmp_path):
    inputs = [write("train.txt", TRAIN), write("test.conll", TEST)]
    conversion = convert(inputs, tmp_path / "out")
    assert files_in(tmp_path / "out") == ["test.spacy", "train.spacy"]
    assert conversion.outputs == [tmp_path / "out" / name for name in ("train.spacy", "test.spacy")]
    assert conversion.notes == [f"{inputs[1]} has no entities of type team"]
    # Existing files are replaced.
    inputs[0].write_text("a O\nb B-person\n", encoding="utf-8")
    convert(inputs, tmp_path / "out")
    assert len(read_docs(tmp_path / "out" / "train.spacy")) == 1


def test_converted_docs_keep_gold_tokens_in_spacy_corpus(write, tmp_path):
    # English's own tokenizer would split "#Arsenal" and "won't".
    convert([write("train.txt", TRAIN)], tmp_path / "train.spacy")
    examples = list(Corpus(tmp_path / "train.spacy")(spacy.blank("en")))
    assert [[token.text for token in example.predicted] for example in examples] == [
        ["RT", "#Arsenal", "won't"],
        ["Justin", "Bieber"],
    ]
    assert examples[0].get_aligned_ner() == ["O", "U-team", "O"]


def test_convert_raw(write, tmp_path):
    inputs = [write("train.txt", TRAIN), write("test.txt", TEST)]
    conversion = convert(inputs, tmp_path / "out", raw=True)
    assert conversion.raw_outputs == [
        tmp_path / "out" / name for name in ("train_raw.spacy", "test_raw.spacy")
    ]
    names = ["test.spacy", "test_raw.spacy", "train.spacy", "train_raw.spacy"]
    assert files_in(tmp_path / "out") == names
    gold, raw = (read_docs(outputs[0]) for outputs in (conversion.outputs, conversion.raw_outputs))
    assert [[t.text for t in doc] for doc in gold] == [[t.text for t in doc] for doc in raw]
    assert [doc.has_unknown_spaces for doc in gold + raw] == [True, True, False, False]
    assert [(e.start, e.end, e.label_) for doc in raw for e in doc.ents] == [
        (1, 2, "team"),
        (0, 2, "person"),
    ]
    # One input file, two output files.
    conversion = convert(inputs[:1], tmp_path / "one" / "tweets.spacy", raw=True)
    assert files_in(tmp_path / "one") == ["tweets.spacy", "tweets_raw.spacy"]


def test_converted_raw_docs_are_tokenized_by_spacy_corpus(write, tmp_path):
    text = "@kim O\n: O\nthe O\n#Arsenal B-team\n's O\nBob B-person\nwon O\n! O\n"
    convert([write("train.txt", text)], tmp_path / "train.spacy", raw=True)
    reader = Corpus(tmp_path / "train_raw.spacy", gold_preproc=False)
    (example,) = reader(spacy.blank("en"))
    assert example.reference.text == "@kim: the #Arsenal's Bob won!"
    # English's own tokenizer splits the hashtag.
    assert [token.text for token in example.predicted[3:5]] == ["#", "Arsenal"]
    assert example.get_aligned_ner() == [
        "O",
        "O",
        "O",
        "B-team",
        "L-team",
        "O",
        "U-person",
        "O",
        "O",
    ]


def test_convert_keeps_missing_labels(write, tmp_path):
    path = write("train.txt", "Hi O\nBob B-person\nLee\nsaid I-person\nso O\n")
    convert([path], tmp_path / "train.spacy", repair=True)
    (doc,) = read_docs(tmp_path / "train.spacy")
    assert [token.ent_iob for token in doc] == [2, 3, 0, 0, 2]
    predicted = spacy.blank("en").make_doc("unused")
    predicted = type(doc)(doc.vocab, words=[token.text for token in doc])
    assert Example(predicted, doc).get_aligned_ner() == ["O", "U-person", None, None, "O"]


def test_docs_from_tweets_without_labels():
    (doc,) = docs_from_tweets([TaggedTweet(["a", "b"], [None, None])], Vocab())
    assert [token.ent_iob for token in doc] == [0, 0]
    assert doc.has_unknown_spaces


@given(tokens=st.lists(TOKENS, min_size=1, max_size=5), data=st.data())
@settings(max_examples=50)
def test_docs_from_tweets_with_any_token_survive_docbin(tokens, data):
    tag = st.sampled_from(["O", "B-x", "B-y z", None])
    tags = data.draw(st.lists(tag, min_size=len(tokens), max_size=len(tokens)))
    docs = docs_from_tweets([TaggedTweet(tokens, tags)], Vocab())
    content = DocBin(docs=docs).to_bytes()
    (doc,) = DocBin().from_bytes(content).get_docs(Vocab())
    assert [token.text for token in doc] == tokens
    assert [f"B-{t.ent_type_}" if t.ent_iob == 3 else t.ent_iob_ for t in doc] == [
        tag or "" for tag in tags
    ]


def test_convert_raises_error_on_problems(write, tmp_path):
    inputs = [write("train.txt", TRAIN), write("dev.txt", "a O\nb\n\nc I-person\n\nd B-person\n")]
    with pytest.raises(CorpusError) as caught:
        convert(inputs, tmp_path / "out")
    assert [(p.path, p.line, p.kind) for p in caught.value.problems] == [
        (inputs[1], 2, "missing tag"),
        (inputs[1], 4, "invalid sequence"),
    ]
    assert f"{inputs[1]}:2: no tag after the token 'b'" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_convert_repair(write, tmp_path):
    inputs = [write("train.txt", TRAIN), write("dev.txt", "a O\nb\n\nc I-person\n\nd B-person\n")]
    conversion = convert(inputs, tmp_path / "out", repair=True)
    assert [(p.line, p.repair) for p in conversion.problems] == [
        (2, "label left missing"),
        (4, "read as B-person"),
    ]
    docs = read_docs(tmp_path / "out" / "dev.spacy")
    assert [[token.ent_iob for token in doc] for doc in docs] == [[2, 0], [3], [3]]


def test_convert_repair_raises_error_on_unrepairable_problems(write, tmp_path):
    inputs = [write("train.txt", TRAIN), write("dev.txt", ""), write("test.txt", "a\n")]
    with pytest.raises(CorpusError, match=r"dev\.txt:1: the file is empty") as caught:
        convert(inputs, tmp_path / "out", repair=True)
    assert len(caught.value.problems) == 1
    assert not (tmp_path / "out").exists()


def test_convert_reports_types_missing_in_training(write, tmp_path):
    inputs = [
        write("train.txt", TRAIN),
        write("dev.txt", "a O\nb B-movie\n\nc B-movie\n"),
        write("test.txt", "a B-team\nb B-movie\nc B-song\n"),
    ]
    problems = [
        Problem(path, line, "entity type not in the training split", message, "kept")
        for path, line, message in [
            (inputs[1], 2, f"entity type 'movie' does not occur in {inputs[0]}"),
            (inputs[2], 2, f"entity type 'movie' does not occur in {inputs[0]}"),
            (inputs[2], 3, f"entity type 'song' does not occur in {inputs[0]}"),
        ]
    ]
    with pytest.raises(CorpusError) as caught:
        convert(inputs, tmp_path / "out")
    assert caught.value.problems == problems
    conversion = convert(inputs, tmp_path / "out", repair=True)
    assert conversion.problems == problems
    assert read_docs(tmp_path / "out" / "test.spacy")[0].ents[1].label_ == "movie"


def test_convert_scheme(write, tmp_path):
    path = write("train.txt", "a I-x\n")
    assert convert([path], tmp_path / "train.spacy").files[0].scheme == "IOB1"
    with pytest.raises(CorpusError, match="I-x without its B-x"):
        convert([path], tmp_path / "train.spacy", scheme="BIO")


def test_convert_notes_different_schemes(write, tmp_path):
    inputs = [
        write("train.txt", "a I-person\n"),
        write("dev.txt", "a B-person\n"),
        write("test.txt", "a B-person\nb O\n"),
        # A file without entities fits any scheme.
        write("more.txt", "a O\n"),
    ]
    notes = convert(inputs, tmp_path / "out").notes
    assert [note for note in notes if "tagged" in note] == [
        f"{inputs[0]} is tagged in IOB1, but in BIO: {inputs[1]}, {inputs[2]}"
    ]


def test_convert_missing_input(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m spacy project assets"):
        convert([tmp_path / "assets" / "train.txt"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        ([], "out", "no input files"),
        (["a.txt", "b.txt"], "out.spacy", "is one file but there are 2 inputs"),
        (["a.txt", "b/a.conll"], "out", "a.txt and .*a.conll would both be written to"),
        (["a.txt"], "b.txt", "is neither a folder nor a .spacy file"),
        (["a.txt"], "folder.spacy", "is a folder, so it can't be written as a file"),
        (["a.txt", "a_raw.txt"], "out", "would both be written to .*a_raw.spacy"),
    ],
)
def test_convert_raises_error_if_inputs_and_output_do_not_match(
    write, tmp_path, inputs, output, message
):
    (tmp_path / "folder.spacy").mkdir()
    for name in ("a.txt", "a_raw.txt", "b.txt", "b/a.conll"):
        write(name, TRAIN)
    before = files_in(tmp_path)
    with pytest.raises(ValueError, match=message):
        convert([tmp_path / name for name in inputs], tmp_path / output, raw="a_raw.txt" in inputs)
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_convert_leaves_no_files_after_failed_write(write, tmp_path, monkeypatch, failing):
    inputs = [write("train.txt", TRAIN), write("test.txt", TEST)]
    out = tmp_path / "out"
    convert(inputs, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    inputs[0].write_text(TEST, encoding="utf-8")
    calls = []

    def fail(*args):
        calls.append(args)
        # The first file's fsync succeeds: one file is complete when the second fails.
        if failing == "replace" or len(calls) == 2:
            raise OSError("disk full")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="disk full"):
        convert(inputs, out)
    assert calls
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_convert_syncs_before_renaming(write, tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        original = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, f=original: (calls.append(n), f(*a))[1])
    convert([write("train.txt", TRAIN), write("test.txt", TEST)], tmp_path / "out")
    assert calls == ["fsync", "fsync", "replace", "replace"]


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_converted_files_have_default_mode(write, tmp_path):
    # Other users can't read the temporary files that tempfile creates.
    path = write("train.txt", TRAIN)
    convert([path], tmp_path / "train.spacy")
    modes = [stat.S_IMODE(Path(p).stat().st_mode) for p in (path, tmp_path / "train.spacy")]
    assert modes[0] == modes[1]


def test_convert_is_deterministic(write, tmp_path):
    # Otherwise `spacy project run` would consider its outputs changed.
    path = write("train.txt", TRAIN)
    for name in ("a.spacy", "b.spacy"):
        convert([path], tmp_path / name)
    assert (tmp_path / "a.spacy").read_bytes() == (tmp_path / "b.spacy").read_bytes()


# Valid lines and random bytes, separated by various line ends.
LINES = st.sampled_from(
    [b"a O", b"b B-x", b"c I-x", b"d U-y", b"e L-y", b"\tO", b"f", b"", b" ", b"-DOCSTART-"]
)
CONTENTS = st.lists(
    st.tuples(LINES | st.binary(max_size=8), st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n"]))
).map(lambda pairs: b"".join(part for pair in pairs for part in pair))


@given(content=CONTENTS | st.binary(max_size=60), repair=st.booleans())
@settings(max_examples=150)
def test_convert_any_bytes(tmp_path_factory, content, repair):
    """Problems have valid line numbers. Converting the output again gives the same output."""
    folder = tmp_path_factory.mktemp("bytes")
    path, output = folder / "tweets.txt", folder / "tweets.spacy"
    path.write_bytes(content)
    problems = []
    try:
        convert([path], output, repair=repair)
    except CorpusError as error:
        problems = error.problems
    assert output.exists() != bool(problems)
    for problem in problems:
        assert 1 <= problem.line <= content.count(b"\n") + 1
        assert str(problem).startswith(f"{path}:{problem.line}: ")
    if problems:
        return
    docs = list(DocBin().from_disk(output).get_docs(Vocab()))
    assert docs
    # A hashtag with an unknown tag could be a comment.
    assume(not any(t.text[0] == "#" and not t.ent_iob_ for doc in docs for t in doc))
    again, second = folder / "again.txt", folder / "again.spacy"
    again.write_bytes(as_tag_file(docs))
    # Missing labels need to be repaired again.
    convert([again], second, scheme="BIO", repair=True)
    assert second.read_bytes() == output.read_bytes()


def as_tag_file(docs):
    tweets = []
    for doc in docs:
        # Missing labels are written as "?", since a row without a tag could be a blank line.
        tags = [f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else t.ent_iob_ or "?" for t in doc]
        rows = zip(doc, tags, strict=True)
        tweets.append("".join(f"{token.text}\t{tag}\r\n" for token, tag in rows))
    return ("-DOCSTART-\n" + "\n".join(tweets)).encode("utf-8")
