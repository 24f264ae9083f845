"""Write the model card of a pipeline in the format of the Hugging Face Hub: metadata, then text.

python scripts/hub_card.py PIPELINE OUTPUT. The pipeline is a folder with meta.json and README.md.
`spacy huggingface-hub push` writes metadata of its own, which lack the task because it only knows
components named "ner". Upload this card after it.
"""

import json
import sys
from pathlib import Path
from typing import Any

import srsly

TASK = {"type": "token-classification", "name": "Named entity recognition"}
# The names of scores in meta.json, and the Hub's names.
METRICS = {"ents_p": "precision", "ents_r": "recall", "ents_f": "f1"}


def make_hub_card(pipeline: Path) -> str:
    """Make the card.

    pipeline (Path): The folder of the pipeline.
    RETURNS (str): The card, in Markdown with metadata in YAML.
    """
    meta = json.loads((pipeline / "meta.json").read_text(encoding="utf-8"))
    readme = (pipeline / "README.md").read_text(encoding="utf-8")
    return f"---\n{srsly.yaml_dumps(make_metadata(meta))}---\n\n{readme}"


def make_metadata(meta: dict[str, Any]) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The Hub's metadata for a pipeline, from its meta."""
    name = f"{meta['lang']}_{meta['name']}"
    scores = meta.get("performance", {})
    metrics = [
        {"type": metric, "name": metric, "value": round(scores[key], 4)}
        for key, metric in METRICS.items()
        if key in scores
    ]
    dataset = {"type": "private", "name": "development data, see the card"}
    results = [{"task": TASK, "dataset": dataset, "metrics": metrics}] if metrics else []
    return {
        "language": [meta["lang"] if meta["lang"] != "xx" else "multilingual"],
        "license": meta["license"].lower(),
        "library_name": "spacy",
        "pipeline_tag": TASK["type"],
        "tags": ["spacy", TASK["type"], "named-entity-recognition", "twitter"],
        "model-index": [{"name": name, "results": results}],
    }


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(make_hub_card(Path(sys.argv[1])), encoding="utf-8")
