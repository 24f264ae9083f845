"""The entry for the spaCy Universe: the fields that its page shows, as other entries have them."""

import json
from pathlib import Path

import jsonschema

ROOT = Path(__file__).parents[1]
TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
CATEGORIES = ["apis", "books", "biomedical", "courses", "conversational", "extension", "models"]
CATEGORIES += ["nonpython", "pipeline", "podcasts", "research", "scientific", "standalone"]
CATEGORIES += ["teaching", "training", "videos", "visualizers"]
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "title", "slogan", "description", "author", "category", "tags"],
    "properties": {
        **dict.fromkeys(["title", "slogan", "description", "author", "pip", "github", "url"], TEXT),
        **dict.fromkeys(["thumb", "image", "code_language"], TEXT),
        "id": {"type": "string", "pattern": "^[a-zA-Z0-9_.-]+$"},
        "code_example": TEXTS,
        "category": {**TEXTS, "items": {"enum": CATEGORIES}},
        "tags": TEXTS,
        "author_links": {"type": "object"},
    },
}


def test_entry_has_what_the_universe_wants():
    entry = json.loads((ROOT / "universe.json").read_text(encoding="utf-8"))
    jsonschema.validate(entry, SCHEMA)
    assert len(entry["slogan"]) <= 120


def test_its_example_runs():
    entry = json.loads((ROOT / "universe.json").read_text(encoding="utf-8"))
    scope: dict = {}
    exec("\n".join(entry["code_example"]), scope)
    assert [ent.text for ent in scope["doc"].ents][-1] == "Chicago"
