"""Save a small pipeline with its predictions, which later versions must load and reproduce:
tests/data/pipeline-VERSION. Run it once per release that changes the format of pipelines."""

import json
from pathlib import Path

from spacy.language import Language
from spacy.util import load_config, load_model_from_config, minibatch
from thinc.api import fix_random_seed

from spacy_twitter_ner import __version__
from spacy_twitter_ner.corpus.reader import create_tag_file_reader

ROOT = Path(__file__).parents[1]
NER = "components.twitter_bilstm_ner"
EMBED = f"{NER}.model.tok2vec.embed.*"
OVERRIDES = {
    f"{NER}.spans_key": "sc",
    f"{NER}.threshold": 0.2,
    f"{NER}.model.tok2vec.encode.hidden_width": 16,
    f"{EMBED}.words.widths": [8, 8, 8, 8],
}
TEXTS = [
    "RT @kim: watching Star Wars in Chicago 😂",
    "#NYC here we come!! Justin Bieber live",
    "don't know what apple is doing at MOBILE world",
]


def main(folder: Path) -> None:
    """Train on the bundled sample corpus and save.

    folder (Path): The folder of the pipeline.
    """
    fix_random_seed(0)
    config = load_config(ROOT / "configs" / "bilstm_crf.cfg", OVERRIDES)
    nlp = load_model_from_config(config, auto_fill=True)
    reader = create_tag_file_reader(ROOT / "assets" / "sample" / "train.txt", limit=110)
    examples = list(reader(nlp))
    sgd = nlp.initialize(lambda: examples)
    sgd.learn_rate = 0.02
    for _ in range(15):
        for batch in minibatch(examples, 25):
            nlp.update(batch, sgd=sgd, drop=0.1)
    folder.parent.mkdir(exist_ok=True)
    nlp.to_disk(folder)
    (folder / "expected.json").write_text(json.dumps(predict(nlp), indent=1), encoding="utf-8")


def predict(nlp: Language) -> list[dict]:
    """RETURNS (list[dict]): The tokens, entities and confidences of each text."""
    return [
        {
            "text": doc.text,
            "tokens": [token.text for token in doc],
            "entities": [[ent.start, ent.end, ent.label_] for ent in doc.ents],
            "scores": [round(float(score), 4) for score in doc.spans["sc"].attrs["scores"]],
        }
        for doc in nlp.pipe(TEXTS)
    ]


if __name__ == "__main__":
    main(ROOT / "tests" / "data" / f"pipeline-{__version__}")
