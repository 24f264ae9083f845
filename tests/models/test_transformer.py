"""configs/transformer.cfg with a tiny BERT of random weights, made here: nothing is downloaded."""

import shutil
from pathlib import Path

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_config, load_model_from_config
from thinc.api import fix_random_seed

from ..pipeline.util import NAME, TEXTS, entities, gold_entities, make_examples, params, train

torch = pytest.importorskip("torch", reason="needs the extra transformer")
transformers = pytest.importorskip("transformers", reason="needs the extra transformer")
pytest.importorskip("spacy_transformers", reason="needs the extra transformer")

CONFIG = Path(__file__).parents[2] / "configs" / "transformer.cfg"
# Each character is a piece, so that most words have several.
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES += [mark + char for char in "abcdefghijklmnopqrstuvwxyz?" for mark in ("", "##")]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder as on the Hugging Face hub."""
    path = tmp_path_factory.mktemp("encoder") / "checkpoint"
    path.mkdir()
    vocab = path / "vocab.txt"
    vocab.write_text("\n".join(PIECES), encoding="utf8")
    transformers.BertTokenizerFast(str(vocab)).save_pretrained(path)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "vocab_size": len(PIECES)}
    config = transformers.BertConfig(num_hidden_layers=2, num_attention_heads=2, **sizes)
    transformers.BertModel(config).save_pretrained(path)
    assert (path / "model.safetensors").is_file()
    return path


def make_pipeline(encoder: Path, **overrides: object) -> tuple[Language, list[Example]]:
    """Make an initialized pipeline of the config and its training data."""
    fix_random_seed(0)
    config = load_config(CONFIG, {"paths.encoder": str(encoder), **overrides})
    nlp = load_model_from_config(config, auto_fill=True)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    return nlp, examples


@pytest.fixture(scope="module")
def trained(encoder: Path) -> Language:
    nlp, examples = make_pipeline(encoder)
    train(nlp, examples, nlp.resume_training(), steps=60)
    return nlp


def encoder_weights(nlp: Language) -> list[numpy.ndarray]:
    """Copy the weights of the encoder."""
    module = nlp.get_pipe("transformer").model.transformer
    return [weight.detach().numpy().copy() for weight in module.parameters()]


def posteriors(nlp: Language, *docs: Doc) -> list[numpy.ndarray]:
    encoded = [nlp.get_pipe("transformer")(doc) for doc in docs]
    return nlp.get_pipe(NAME).predict_proba(encoded)


def test_transformer_learns_entities(trained: Language) -> None:
    assert entities(trained.pipe(TEXTS)) == gold_entities(make_examples(trained))


def test_gradient_reaches_the_encoder(encoder: Path) -> None:
    nlp, examples = make_pipeline(encoder)
    module = nlp.get_pipe("transformer").model.transformer
    nlp.update(examples, sgd=None)
    norms = {name: weight.grad for name, weight in module.named_parameters()}
    # The token vectors don't depend on the pooler.
    missing = [name for name, grad in norms.items() if grad is None or not grad.any()]
    assert missing == ["pooler.dense.weight", "pooler.dense.bias"]


def test_learn_rate_factor_applies_to_the_head_only(encoder: Path) -> None:
    moved = []
    for factor in (1.0, 20.0):
        nlp, examples = make_pipeline(encoder, **{f"components.{NAME}.learn_rate_factor": factor})
        head = nlp.get_pipe(NAME).model
        sgd = nlp.create_optimizer()
        sgd.learn_rate = 1e-3
        before = params(head), encoder_weights(nlp)
        nlp.update(examples, sgd=False)
        for _, pipe in nlp.pipeline:
            pipe.finish_update(sgd)
        after = params(head), encoder_weights(nlp)
        # The first step of Adam is as long as the learning rate.
        moved.append(
            (
                max(abs(after[0][key] - weight).max() for key, weight in before[0].items()),
                max(abs(new - old).max() for old, new in zip(before[1], after[1], strict=True)),
            )
        )
    assert moved[0] == pytest.approx((1e-3, 1e-3), rel=0.05)
    assert moved[1] == pytest.approx((2e-2, 1e-3), rel=0.05)


def test_saved_pipeline_contains_the_encoder(
    trained: Language, encoder: Path, tmp_path: Path
) -> None:
    moved = shutil.move(encoder, tmp_path / "elsewhere")
    try:
        trained.to_disk(tmp_path / "pipeline")
        loaded = spacy.load(tmp_path / "pipeline")
        restored = make_blank(trained).from_bytes(trained.to_bytes())
    finally:
        shutil.move(moved, encoder)
    for nlp in (loaded, restored):
        expected = posteriors(trained, *map(trained.make_doc, TEXTS))
        for ours, theirs in zip(posteriors(nlp, *map(nlp.make_doc, TEXTS)), expected, strict=True):
            numpy.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert entities(loaded.pipe(TEXTS)) == entities(trained.pipe(TEXTS))


def test_loading_unpickles_nothing(
    trained: Language, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch's own reader creates tensors only."""
    trained.to_disk(tmp_path / "pipeline")

    def refuse(*arguments: object, **settings: object) -> None:
        raise AssertionError("something is unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(f"pickle.{name}", refuse)
    loaded = spacy.load(tmp_path / "pipeline")
    assert entities(loaded.pipe(TEXTS)) == entities(trained.pipe(TEXTS))


def make_blank(nlp: Language) -> Language:
    return load_model_from_config(nlp.config, auto_fill=True)


def test_prediction_equals_the_forward_pass_of_training(encoder: Path) -> None:
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    settings = {"components.transformer.model.transformer_config": no_dropout}
    nlp, examples = make_pipeline(encoder, **settings)
    docs = [example.predicted for example in examples]
    ner = nlp.get_pipe(NAME)
    nlp.get_pipe("transformer").update(examples)
    in_training, _ = ner.model.begin_update(docs)
    predicted = ner.model.predict([nlp.get_pipe("transformer")(doc) for doc in docs])
    numpy.testing.assert_allclose(predicted.emissions, in_training.emissions, atol=1e-5)
    assert len(ner.model.attrs["lexeme_cache"]) == 0


def test_predictions_do_not_depend_on_the_batch(trained: Language) -> None:
    texts = ["", "London", *TEXTS, "  ", " ".join(TEXTS * 3)]
    together = list(trained.pipe(texts))
    assert entities(together) == entities(map(trained, texts))
    assert [doc.text for doc in together] == texts
    assert list(trained.pipe(["", " "]))


@pytest.mark.parametrize("n_tokens", [499, 900])
def test_long_docs_are_encoded_as_a_whole(trained: Language, n_tokens: int) -> None:
    """The windows of the component would not have the vectors of the transformer."""
    words = " ".join(TEXTS).split()
    doc = Doc(trained.vocab, words=(words * n_tokens)[:n_tokens])
    (found,) = posteriors(trained, doc)
    assert len(found) == n_tokens
    # The transformer's windows start every 96 tokens, the words repeat every 14.
    start = 96 * 4
    (short,) = posteriors(trained, doc[start : start + 60].as_doc())
    numpy.testing.assert_allclose(found[start + 30 : start + 40], short[30:40], atol=0.1)
    assert len(trained.get_pipe(NAME)(doc).ents) > n_tokens / 10
