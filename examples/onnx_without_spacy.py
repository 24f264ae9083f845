"""Find entities with an exported tagger and onnxruntime, without spaCy: python
onnx_without_spacy.py FOLDER TEXT. The folder is the output of `spacy-twitter-ner export-onnx`."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import onnxruntime


def load(folder):
    tagger = json.loads((folder / "tagger.json").read_text(encoding="utf-8"))
    with np.load(folder / "words.npz") as words:
        rows = dict(zip(words["words"].tolist(), words["vectors"], strict=True))
    return onnxruntime.InferenceSession(folder / "tagger.onnx"), tagger, rows


def best_tags(emissions, tagger):
    tags, transitions = tagger["tags"], np.array(tagger["transitions"])
    for i, before in enumerate(tags):  # I-x only follows B-x and I-x
        for j, after in enumerate(tags):
            if after.startswith("I-") and before[2:] != after[2:]:
                transitions[i, j] = -1e9
    start = [-1e9 if tag.startswith("I-") else 0 for tag in tags]
    scores, pointers = emissions[0] + tagger["start"] + start, []
    for row in emissions[1:]:
        candidates = scores[:, None] + transitions
        pointers.append(candidates.argmax(0))
        scores = candidates.max(0) + row
    path = [int((scores + tagger["end"]).argmax())]
    for pointer in reversed(pointers):
        path.append(int(pointer[path[-1]]))
    return [tags[tag] for tag in reversed(path)]


def main(folder, text):
    session, tagger, rows = load(Path(folder))
    tokens = re.findall(r"https?://\S+|[@#]?[\w'-]+|[^\w\s]+", text)
    unknown = rows["<unknown>"]
    vectors = np.stack([rows.get(token, rows.get(token.lower(), unknown)) for token in tokens])
    (emissions,) = session.run(None, {"vectors": vectors})
    for token, tag in zip(tokens, best_tags(emissions, tagger), strict=True):
        print(token, tag, sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
