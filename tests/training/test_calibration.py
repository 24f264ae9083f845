import math

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import DocBin
from thinc.api import fix_random_seed

from spacy_twitter_ner.training.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    calibrate,
    create_calibrator,
    fit_temperature,
    measure_reliability,
    minimize,
    score_entities,
)

from ..pipeline.util import (
    NAME,
    NEW_DATA,
    SMALL_CRF,
    TRAIN_DATA,
    add_shared_tok2vec,
    make_examples,
    predicted_entities,
    train,
    trained_ner,
)

# The pipeline is right about the first text and wrong about the second.
MIXED = [
    ("Shaka Khan sings in London", {"entities": [(0, 10, "PERSON"), (20, 26, "LOC")]}),
    ("Who likes Shaka Khan in Berlin", {"entities": [(24, 30, "PERSON")]}),
    ("London", {"entities": [(0, 6, "LOC")]}),
]


@pytest.fixture(scope="module")
def pipeline() -> Language:
    fix_random_seed(0)
    return trained_ner(**SMALL_CRF)


@pytest.fixture
def nlp(pipeline):
    yield pipeline
    pipeline.get_pipe(NAME).cfg.update(temperature=1.0, threshold=0.0)


@given(st.floats(-2.0, 2.0))
def test_minimize(x) -> None:
    assert minimize(lambda value: (value - x) ** 2, -2.0, 2.0) == pytest.approx(x, abs=2e-3)


def test_score_entities(nlp) -> None:
    scored = score_entities(nlp, nlp.get_pipe(NAME), make_examples(nlp, MIXED))
    assert scored.known_correct.tolist() == [True, True, False, False, True]
    assert scored.n_gold == 4
    assert scored.confidences(1.0).shape == (5,)


def test_score_entities_skips_missing_annotation(nlp) -> None:
    examples = make_examples(nlp, MIXED)
    reference = examples[0].reference
    reference.set_ents([reference.ents[0]], missing=[reference[4:5]], default="unmodified")
    scored = score_entities(nlp, nlp.get_pipe(NAME), examples)
    assert scored.known_correct.tolist() == [True, False, False, True]
    assert scored.confidences(2.0).shape == (4,)


def test_fit_temperature_minimizes_loss(nlp) -> None:
    scored = score_entities(nlp, nlp.get_pipe(NAME), make_examples(nlp, MIXED))
    targets = numpy.where(scored.known_correct, 4 / 5, 1 / 4)

    def loss(temperature: float) -> float:
        found = numpy.clip(scored.confidences(temperature), 1e-15, 1 - 1e-15)
        return -(targets * numpy.log(found) + (1 - targets) * numpy.log(1 - found)).mean()

    temperature = fit_temperature(scored)
    grid = numpy.geomspace(MIN_TEMPERATURE, MAX_TEMPERATURE, 200)
    assert loss(temperature) <= min(map(loss, grid)) + 1e-6
    assert temperature > 1.0


def test_fit_temperature_smooths_targets(nlp) -> None:
    # All are correct, but confidence is limited to 4/5 by smoothing.
    scored = score_entities(nlp, nlp.get_pipe(NAME), make_examples(nlp, MIXED[2:] * 3))
    assert scored.known_correct.all()
    confidences = scored.confidences(fit_temperature(scored))
    assert confidences.mean() == pytest.approx(4 / 5, abs=0.01)


def test_calibrate_keeps_entities_and_ignores_threshold(nlp) -> None:
    expected = predicted_entities(nlp)
    component = nlp.get_pipe(NAME)
    component.cfg["threshold"] = 1.0
    (split,) = calibrate(nlp, make_examples(nlp, MIXED))
    assert split.after.entities == 5
    component.cfg["threshold"] = 0.0
    assert component.cfg["temperature"] > 1.0
    assert predicted_entities(nlp) == expected


def test_measure_reliability_matches_calibrate(nlp, tmp_path) -> None:
    (split,) = calibrate(nlp, make_examples(nlp, MIXED))
    docs = [example.reference for example in make_examples(nlp, MIXED)]
    DocBin(docs=docs).to_disk(tmp_path / "test.spacy")
    reliability = measure_reliability(nlp, [tmp_path / "test.spacy"])
    assert reliability.splits == {"test": split}
    assert reliability.temperature == nlp.get_pipe(NAME).cfg["temperature"]


def test_score_entities_runs_preceding_components() -> None:
    nlp = spacy.blank("xx")
    add_shared_tok2vec(nlp, NAME, is_crf=True)
    fix_random_seed(0)
    train(nlp, make_examples(nlp))
    scored = score_entities(nlp, nlp.get_pipe(NAME), make_examples(nlp))
    assert scored.known_correct.tolist() == [True] * 5


def test_fit_temperature_without_entities(nlp) -> None:
    scored = score_entities(nlp, nlp.get_pipe(NAME), make_examples(nlp, [("so tired", {})]))
    with pytest.raises(ValueError, match="no entities were predicted"):
        fit_temperature(scored)
    empty = score_entities(nlp, nlp.get_pipe(NAME), make_examples(nlp, [("", {})]))
    assert empty.confidences(1.0).shape == (0,)


def test_calibrate_without_component() -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    with pytest.raises(ValueError, match="no component twitter_bilstm_ner; it has: sentencizer"):
        calibrate(nlp, make_examples(nlp, TRAIN_DATA))


def test_calibrator_callback(nlp, tmp_path) -> None:
    docs = [example.reference for example in make_examples(nlp, MIXED)]
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    callback = spacy.registry.callbacks.get("spacy-twitter-ner.calibrate.v1")
    assert callback is create_calibrator
    assert callback(tmp_path / "dev.spacy")(nlp) is nlp
    temperature = nlp.get_pipe(NAME).cfg["temperature"]
    calibrate(nlp, make_examples(nlp, MIXED))
    assert temperature == pytest.approx(nlp.get_pipe(NAME).cfg["temperature"])
    nothing = tmp_path / "nothing.spacy"
    DocBin(docs=[nlp.make_doc("so tired")]).to_disk(nothing)
    callback(nothing)(nlp)
    assert math.isclose(nlp.get_pipe(NAME).cfg["temperature"], temperature)


def test_score_entities_with_unknown_labels(nlp) -> None:
    scored = score_entities(nlp, nlp.get_pipe(NAME), make_examples(nlp, NEW_DATA[-1:]))
    assert scored.n_gold == 1
    assert not scored.known_correct.any()


def tag_file(path, examples):
    """Write gold docs as a token/tag file."""
    rows = []
    for example in examples:
        for token in example.reference:
            label = f"-{token.ent_type_}" if token.ent_type_ else ""
            rows.append(f"{token.text}\t{token.ent_iob_}{label}\n")
        rows.append("\n")
    path.write_text("".join(rows), encoding="utf-8")
    return path


def test_calibrator_accepts_tag_files_and_binary_files(nlp, tmp_path) -> None:
    examples = make_examples(nlp, MIXED)
    DocBin(docs=[example.reference for example in examples]).to_disk(tmp_path / "dev.spacy")
    component = nlp.get_pipe(NAME)
    temperatures = []
    for path in (tmp_path / "dev.spacy", tag_file(tmp_path / "btc.dev", examples)):
        component.cfg["temperature"] = 1.0
        create_calibrator(path)(nlp)
        temperatures.append(component.cfg["temperature"])
    assert temperatures[0] == pytest.approx(temperatures[1])
    assert temperatures[0] != 1.0
    paths = [tmp_path / "dev.spacy", tmp_path / "btc.dev"]
    splits = measure_reliability(nlp, paths).splits
    assert list(splits) == ["dev", "btc.dev"]
    assert splits["dev"] == splits["btc.dev"]


def test_calibrator_raises_error_on_folder_without_docs(nlp, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"without \.spacy files"):
        create_calibrator(tmp_path)(nlp)
