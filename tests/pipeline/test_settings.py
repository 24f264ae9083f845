"""Settings in cfg and config: overrides at load, tuned values, and validation."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import spacy
import srsly
from spacy.language import Language
from spacy.util import load_config, load_model_from_config

from spacy_twitter_ner.pipeline.checks import SHAPES
from spacy_twitter_ner.pipeline.settings import DEFAULTS, GIVEN

from .util import NAME, SMALL, SMALL_CRF, add_small_ner, make_examples, predicted_entities, train

TUNED = {"threshold": 0.25, "outside_bias": -0.5, "temperature": 1.75, "window_length": 300}
GIVEN_AT_LOAD = [
    ("threshold", 0.9),
    ("threshold", 0.0),
    ("outside_bias", 2),
    ("outside_bias", 0.0),
    ("temperature", 1.0),
    ("temperature", 3.5),
    ("window_length", 0),
    ("window_length", 500),
    ("loss_reduction", "sum"),
]
INVALID = [
    ("temperature", 0),
    ("temperature", -1.0),
    ("temperature", "warm"),
    ("temperature", None),
    ("threshold", 2),
    ("threshold", -0.1),
    ("threshold", True),
    ("threshold", [0.5]),
    ("threshold", {"LOC": 2}),
    ("threshold", {"LOC": "high"}),
    ("threshold", {"ORG": 0.5}),
    ("outside_bias", 1000.0),
    ("outside_bias", "low"),
    ("window_length", -5),
    ("window_length", 100),
    ("window_length", 200.5),
    ("window_length", False),
    ("loss_reduction", "max"),
    ("labels", [0, 1]),
    ("labels", ["LOC", "LOC"]),
    ("labels", ["LOC", ""]),
    ("labels", "LOC"),
    ("labels", None),
]


@pytest.fixture(scope="module")
def trained() -> Language:
    nlp = spacy.blank("xx")
    add_small_ner(nlp)
    train(nlp, make_examples(nlp), steps=30)
    nlp.get_pipe(NAME).cfg.update(TUNED)
    return nlp


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "pipeline"
    trained.to_disk(path)
    return path


@pytest.fixture
def copied(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "pipeline"))


def settings(nlp: Language) -> dict:
    return {key: nlp.get_pipe(NAME).cfg[key] for key in DEFAULTS}


def roughly(expected: dict) -> dict:
    return {
        key: pytest.approx(value) if isinstance(value, float) else value
        for key, value in expected.items()
    }


def as_nested(key: str, value: object) -> dict:
    return {"components": {NAME: {key: value}}}


def as_section(key: str, value: object) -> dict:
    return {f"components.{NAME}": {key: value}}


def as_path(key: str, value: object) -> dict:
    return {f"components.{NAME}.{key}": value}


def from_folder(nlp: Language, path: Path, **config: object) -> Language:
    return spacy.load(path, config=config)


def from_own_config(nlp: Language, path: Path, **config: object) -> Language:
    merged = nlp.config.merge(config)
    return type(nlp).from_config(merged).from_bytes(nlp.to_bytes())


def from_saved_config(nlp: Language, path: Path, **config: object) -> Language:
    merged = load_config(path / "config.cfg").merge(config)
    return load_model_from_config(merged, auto_fill=True).from_disk(path)


LOADERS = [from_folder, from_own_config, from_saved_config]


def test_settings_in_config_default_to_none(trained):
    config = trained.config["components"][NAME]
    assert {config[key] for key in DEFAULTS} == {None}
    new = spacy.blank("xx")
    new.add_pipe(NAME)
    assert settings(new) == DEFAULTS


@pytest.mark.parametrize("load", LOADERS)
def test_tuned_settings_are_loaded(trained, saved, load):
    loaded = load(trained, saved)
    assert settings(loaded) == {**DEFAULTS, **TUNED}
    assert predicted_entities(loaded) == predicted_entities(trained)


@pytest.mark.parametrize(("key", "value"), GIVEN_AT_LOAD)
@pytest.mark.parametrize("load", LOADERS)
def test_setting_given_at_load_overrides(trained, saved, tmp_path, load, key, value):
    loaded = load(trained, saved, **as_nested(key, value))
    expected = {**DEFAULTS, **TUNED, key: value}
    assert settings(loaded) == expected
    assert loaded.config["components"][NAME][key] == value
    # Settings can still be tuned afterwards.
    loaded.to_disk(tmp_path)
    assert settings(spacy.load(tmp_path)) == expected
    loaded.get_pipe(NAME).cfg["temperature"] = 2.25
    loaded.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert settings(again) == {**expected, "temperature": 2.25}
    copy = type(again).from_config(again.config).from_bytes(again.to_bytes())
    assert settings(copy) == {**expected, "temperature": 2.25}


@pytest.mark.parametrize("form", [as_nested, as_section, as_path])
def test_forms_of_config_overrides(saved, form):
    nlp = spacy.load(saved, config=form("threshold", 1.0))
    assert settings(nlp)["threshold"] == 1.0
    assert not any(predicted_entities(nlp))


# srsly stores the second one as 0.30000000000000004.
@pytest.mark.parametrize("given", [0.5, 0.3])
def test_setting_in_training_config_can_be_tuned(tmp_path, given):
    nlp = spacy.blank("xx")
    ner = add_small_ner(nlp, threshold=0.5, temperature=given)
    nlp.initialize(lambda: make_examples(nlp))
    ner.cfg["temperature"] = 2.0
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert settings(loaded) == {**DEFAULTS, "threshold": 0.5, "temperature": 2.0}
    loaded = spacy.load(tmp_path, config=as_path("temperature", 0.75))
    assert settings(loaded)["temperature"] == 0.75


def convert_to_first_version(path: Path, given: dict, stored: dict) -> None:
    """Older components have no record in cfg, and all settings in their config."""
    config = load_config(path / "config.cfg")
    config["components"][NAME].update({**DEFAULTS, **given})
    config.to_disk(path / "config.cfg")
    cfg = srsly.read_json(path / NAME / "cfg")
    del cfg[GIVEN]
    srsly.write_json(path / NAME / "cfg", {**cfg, **DEFAULTS, **given, **stored})


@pytest.mark.parametrize("given", [{}, {"threshold": 0.3, "temperature": 1.25}])
@pytest.mark.parametrize("stored", [{}, {"temperature": 1.9, "threshold": 0.4}])
def test_load_pipeline_of_first_version(copied, given, stored):
    convert_to_first_version(copied, given, stored)
    expected = {**DEFAULTS, **given, **stored}
    assert settings(spacy.load(copied)) == roughly(expected)
    overridden = spacy.load(copied, config=as_path("temperature", 2.5))
    assert settings(overridden) == roughly({**expected, "temperature": 2.5})


def test_load_component_of_first_version(copied, tmp_path):
    convert_to_first_version(copied, {}, {"temperature": 1.9})
    folder = Path(shutil.copytree(copied / NAME, tmp_path / "alone" / NAME))
    ner = spacy.blank("xx").add_pipe(NAME, config={**SMALL, "threshold": 0.5})
    ner.from_disk(folder, exclude=["vocab"])
    assert (ner.cfg["threshold"], ner.cfg["temperature"]) == (0.5, 1.9)


def test_excluded_settings_are_kept(trained, saved):
    ner = spacy.blank("xx").add_pipe(NAME, config={**SMALL, "threshold": 0.5})
    ner.cfg["temperature"] = 3.0
    for label in trained.get_pipe(NAME).labels:
        ner.add_label(label)
    ner.from_disk(saved / NAME, exclude=["cfg", "vocab"])
    assert (ner.cfg["threshold"], ner.cfg["temperature"]) == (0.5, 3.0)


def test_sourced_component_keeps_settings(trained, tmp_path):
    nlp = spacy.blank("xx", vocab=trained.vocab)
    nlp.add_pipe(NAME, source=trained)
    nlp.to_disk(tmp_path)
    assert settings(spacy.load(tmp_path)) == {**DEFAULTS, **TUNED}


@pytest.mark.parametrize(("key", "value"), INVALID)
def test_invalid_settings_in_file(copied, key, value):
    path = copied / NAME / "cfg"
    srsly.write_json(path, {**srsly.read_json(path), key: value})
    with pytest.raises(ValueError, match=key) as error:
        spacy.load(copied)
    assert str(path) in str(error.value)
    assert f"component {NAME!r}" in str(error.value)


@pytest.mark.parametrize(
    "use",
    [
        lambda nlp: nlp("Who is Shaka Khan ?"),
        lambda nlp: list(nlp.pipe(["Who is Shaka Khan ?"])),
        lambda nlp: nlp.get_pipe(NAME).predict_kbest([nlp.make_doc("Shaka Khan")]),
        lambda nlp: nlp.get_pipe(NAME).predict_proba([nlp.make_doc("Shaka Khan")]),
        lambda nlp: nlp.get_pipe(NAME).predict_spans([nlp.make_doc("Shaka Khan")]),
        lambda nlp: nlp.update(make_examples(nlp), sgd=False),
        lambda nlp: nlp.evaluate(make_examples(nlp)),
        lambda nlp: nlp.get_pipe(NAME).to_bytes(),
        lambda nlp: nlp.get_pipe(NAME).to_disk("never-written"),
    ],
)
@pytest.mark.parametrize(("key", "value"), [*INVALID[:5], ("temperature", float("nan"))])
def test_invalid_settings_at_runtime(
    saved, tmp_path, monkeypatch, use: Callable, key: str, value: object
) -> None:
    monkeypatch.chdir(tmp_path)
    nlp = spacy.load(saved)
    nlp.get_pipe(NAME).cfg[key] = value
    with pytest.raises(ValueError, match=rf"\[components\.{NAME}\] {key}"):
        use(nlp)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("key", "value"), [pair for pair in INVALID if pair[0] != "labels"][:12])
def test_invalid_settings_in_config(saved, key, value):
    if value is None:
        pytest.skip("None means the stored value")
    with pytest.raises(ValueError, match=key):
        spacy.load(saved, config=as_path(key, value))


def test_missing_setting(trained, saved):
    nlp = spacy.load(saved)
    nlp.get_pipe(NAME).cfg = {"labels": [], "threshold": 0.5}
    with pytest.raises(ValueError, match="cfg has no 'loss_reduction'"):
        nlp("so tired")


CHANGES: dict[str, Callable[[numpy.ndarray], numpy.ndarray]] = {
    "shorter": lambda array: array[:-1].copy(),
    "longer": lambda array: numpy.concatenate([array, array[-1:]]),
    "one more axis": lambda array: array[None].copy(),
    "float64": lambda array: array.astype("float64"),
    "float16": lambda array: array.astype("float16"),
    "int32": lambda array: array.astype("int32"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("config", ["bilstm_crf", "article", "bigru", "spacy"])
@pytest.mark.slow
def test_load_parameter_of_wrong_shape_or_type(change, config):
    nlp = spacy.blank("xx")
    path = Path(__file__).parents[2] / "configs" / f"{config}.cfg"
    if path.exists():
        settings = load_config(path)["components"][NAME]
        settings.pop("factory")
    else:
        settings = {"model": {**SMALL_CRF["model"]}}
        encode = {"@architectures": "spacy-twitter-ner.BiGRUEncoder.v1", "hidden_width": 8}
        if config == "spacy":
            settings["model"]["tok2vec"] = {
                "@architectures": "spacy.HashEmbedCNN.v2",
                **{"width": 8, "depth": 1, "embed_size": 20, "window_size": 1},
                **{"maxout_pieces": 2, "subword_features": True, "pretrained_vectors": None},
            }
        else:
            tok2vec = {**settings["model"]["tok2vec"], "encode": encode}
            settings["model"]["tok2vec"] = tok2vec
    ner = nlp.add_pipe(NAME, config=settings)
    nlp.initialize(lambda: make_examples(nlp))
    good = ner.to_bytes(exclude=["vocab"])
    checked = 0
    for node in ner.model.walk():
        for name in node.param_names:
            param = node.get_param(name)
            if not param.size:
                continue
            node.set_param(name, CHANGES[change](param))
            bad = ner.to_bytes(exclude=["vocab"])
            node.set_param(name, param)
            with pytest.raises(ValueError, match=f"component {NAME!r}.*{name!r}.*{node.name!r}"):
                ner.from_bytes(bad, exclude=["vocab"])
            ner.from_bytes(good, exclude=["vocab"])
            checked += 1
    assert checked >= 6


def test_load_missing_parameter(trained):
    ner = spacy.blank("xx").add_pipe(NAME, config=SMALL)
    other = type(trained).from_config(trained.config).from_bytes(trained.to_bytes()).get_pipe(NAME)
    other.model.get_ref("output_layer").set_param("b", None)
    with pytest.raises(ValueError, match=r"'b' of layer 'softmax' is missing"):
        ner.from_bytes(other.to_bytes(exclude=["vocab"]), exclude=["vocab"])


def test_all_layers_have_shapes():
    ours = {"bilstm", "bigru", "crf", "char_cnn", "hashtag_embed", "gazetteer_embed"}
    assert ours | {"vector_embed", "linear", "softmax"} <= set(SHAPES)
