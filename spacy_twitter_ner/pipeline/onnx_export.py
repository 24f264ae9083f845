"""Export the tagger of a trained component as ONNX: token vectors to scores of tags."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model

from ..util import get_ner, require, write_atomic

MODEL_FILE, TAGS_FILE, WORDS_FILE = "tagger.onnx", "tagger.json", "words.npz"
# Of ONNX's LSTM, in terms of ours: o, i, f, g to i, o, f, c.
_GATES = [1, 0, 2, 3]
_OPSET = 17


def export_onnx(
    nlp: Language, folder: Path, *, words: Sequence[str] = (), name: str | None = None
) -> None:
    """Export the BiLSTM and the output layer of a trained component, for runtimes without Python
    or spaCy (extra `onnx`).

    Writes tagger.onnx, from the vectors of a text's tokens (nT, nI) to the scores of tags
    (nT, nO); tagger.json, with the tags and, for a CRF, the scores of transitions; and words.npz,
    with the vectors of single words, if there are words.

    nlp (Language): The pipeline.
    folder (Path): The output folder.
    words (Sequence[str]): Words whose vectors are exported.
    name (Optional[str]): The component's name. Defaults to the first twitter_bilstm_ner.
    RAISES (ValueError): If there is no such component, or its encoder isn't a BiLSTMEncoder.v1.
    RAISES (MissingExtraError): If onnx isn't installed.
    """
    ner = get_ner(nlp, name)
    files = {MODEL_FILE: make_model(ner).SerializeToString(), TAGS_FILE: _describe_tags(ner)}
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomic(*(folder / file for file in files)) as temporary:
        for path, content in zip(temporary, files.values(), strict=True):
            path.write_bytes(content)
    if words:
        vectors = embed_docs(ner, [Doc(nlp.vocab, words=[word]) for word in words])
        numpy.savez(
            folder / WORDS_FILE, words=numpy.array(words), vectors=numpy.concatenate(vectors)
        )


def embed_docs(ner: Any, docs: Sequence[Doc]) -> list[Any]:
    """Compute the input of the exported tagger.

    ner (TwitterBiLSTMNER): The component.
    docs (Sequence[Doc]): The docs.
    RETURNS (list[Floats2d]): One (nT, nI) array per doc.
    """
    embed, _ = _find_layers(ner)
    return [embed.ops.to_numpy(rows) for rows in embed.predict(list(docs))]


def make_model(ner: Any) -> Any:
    """RETURNS (onnx.ModelProto): The tagger of a component, from "vectors" to "emissions"."""
    onnx = require("onnx", "onnx")
    helper, to_tensor = onnx.helper, onnx.numpy_helper.from_array
    _, lstms = _find_layers(ner)
    output_layer = ner.model.get_ref("output_layer")
    weights = {"W_out": _to_numpy(output_layer, "W").T, "b_out": _to_numpy(output_layer, "b")}
    # ONNX's LSTM has the axes time, batch, width.
    nodes = [helper.make_node("Unsqueeze", ["vectors", "one"], ["rows_0"])]
    for i, lstm in enumerate(lstms):
        weights |= {f"{key}_{i}": value for key, value in _lstm_weights(lstm).items()}
        nodes += _lstm_nodes(helper, i, lstm.get_dim("nO") // 2)
    nodes += [
        helper.make_node("Squeeze", [f"rows_{len(lstms)}", "one"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "W_out", "b_out"], ["emissions"]),
    ]
    tensors = [to_tensor(numpy.ascontiguousarray(v), name=k) for k, v in weights.items()]
    shape = numpy.array([0, 0, -1], dtype="int64")
    tensors += [to_tensor(numpy.array([1], dtype="int64"), name="one"), to_tensor(shape, "shape")]
    float_type = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "tagger",
        [helper.make_tensor_value_info("vectors", float_type, ["T", lstms[0].get_dim("nI")])],
        [helper.make_tensor_value_info("emissions", float_type, ["T", len(ner.tags)])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def _find_layers(ner: Any) -> tuple[Model, list[Model]]:
    """RETURNS (tuple[Model, list[Model]]): The embedding, and the BiLSTM layers from below."""
    tok2vec = ner.model.get_ref("tok2vec")
    if tok2vec.has_ref("embed") and tok2vec.has_ref("encode"):
        layers = [node for node in tok2vec.get_ref("encode").walk() if not node.layers]
        if layers and all(layer.name == "bilstm" for layer in layers):
            return tok2vec.get_ref("embed"), layers
    raise ValueError(
        f"cannot export component {ner.name!r}: only models with their own tok2vec and "
        "spacy-twitter-ner.BiLSTMEncoder.v1 can be exported"
    )


def _lstm_weights(lstm: Model) -> dict[str, Any]:
    nH = lstm.get_dim("nO") // 2
    W, U, b = (
        _to_numpy(lstm, name).reshape(2, 4, nH, -1)[:, _GATES].reshape(2, 4 * nH, -1)
        for name in "WUb"
    )
    return {"W": W, "R": U, "B": numpy.concatenate([b[..., 0], numpy.zeros_like(b[..., 0])], 1)}


def _lstm_nodes(helper: Any, i: int, nH: int) -> list[Any]:
    """RETURNS (list[NodeProto]): A layer, and the concatenation of its directions."""
    inputs = [f"rows_{i}", f"W_{i}", f"R_{i}", f"B_{i}"]
    lstm = {"direction": "bidirectional", "hidden_size": nH}
    return [
        helper.make_node("LSTM", inputs, [f"directions_{i}"], **lstm),
        helper.make_node("Transpose", [f"directions_{i}"], [f"states_{i}"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", [f"states_{i}", "shape"], [f"rows_{i + 1}"]),
    ]


def _to_numpy(model: Model, name: str) -> Any:
    return model.ops.to_numpy(model.get_param(name)).astype("float32")


def _describe_tags(ner: Any) -> bytes:
    scores = {}
    if ner.model.has_ref("crf"):
        crf = ner.model.get_ref("crf")
        scores = {key: _to_numpy(crf, key).tolist() for key in ("transitions", "start", "end")}
    return json.dumps({"tags": ner.tags, **scores}).encode("utf-8")
