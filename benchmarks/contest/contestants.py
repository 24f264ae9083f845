"""Who competes: the baselines, and the ladder of our models."""

from typing import Any, NamedTuple


class Contestant(NamedTuple):
    """What competes.

    name (str): Its name, of letters, digits and underscores.
    adds (str): A line for the table: what it is, or what it adds to the rung below.
    source (str): A config for `spacy train`, or a script of benchmarks/, which has no seed.
    overrides (dict[str, Any]): Settings of the config to change. In these and in what it needs,
        "{corpus}" stands for the name of the corpus.
    without (tuple[str, ...]): Sections of the config to leave out, as "a.b.c".
    needs (tuple[str, ...]): Files or folders without which it cannot run.
    packages (tuple[str, ...]): Distributions whose version may change its result.
    """

    name: str
    adds: str
    source: str
    overrides: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    without: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ("spacy", "thinc")

    @property
    def is_script(self) -> bool:
        return self.source.endswith(".py")


MODEL = "components.twitter_bilstm_ner.model"
EMBED = f"{MODEL}.tok2vec.embed"
WORD_FEATURES = {
    "@architectures": "spacy-twitter-ner.FeatureEmbed.v1",
    "features": ["norm", "prefix3", "suffix3", "shape"],
    "widths": [100, 30, 30, 30],
    "min_freq": 1,
    "unknown_rate": 0.5,
}
# The teachers of the silver data: without silver data and calibration.
NO_SILVER = {
    "training.before_to_disk": None,
    "training.batcher": {
        "@batchers": "spacy.batch_by_sequence.v1",
        "size": 32,
        "get_length": None,
    },
}
CHARACTERS, HASHTAGS, VECTORS = (
    f"{EMBED}.*.{name}" for name in ("characters", "hashtags", "vectors")
)
PHRASES = f"{EMBED}.phrases"
CLUSTER_FILE, VECTOR_FOLDER = "assets/lexical/6mpaths.tsv", "lexical/vectors"
MERGED_FOLDER, FACTS_FOLDER = "lexical/merged", "lexical/facts"
SILVER_FILE = "training/{corpus}/silver.spacy"

BASELINES = (
    Contestant("gazetteer", "the training entities, longest match", "benchmarks/gazetteer.py"),
    Contestant(
        "crfsuite",
        "linear CRF; word, affix and shape features, ±2 words",
        "benchmarks/crfsuite.py",
        needs=("spacy_twitter_ner/iob.py", "spacy_twitter_ner/normalization.py"),
        packages=("sklearn-crfsuite", "python-crfsuite"),
    ),
    Contestant("spacy_ner", "spaCy's own `ner`, default settings", "configs/spacy_ner.cfg"),
)
# Each rung adds to the one before. A rung may be another's config with overrides.
LADDER = (
    Contestant("article", "the article's recipe", "configs/article.cfg"),
    Contestant(
        "bilstm",
        "normal form, affixes, shape; softmax",
        "configs/bilstm_crf.cfg",
        {f"{MODEL}.@architectures": "spacy-twitter-ner.BiLSTMTagger.v1", EMBED: WORD_FEATURES},
    ),
    Contestant(
        "crf",
        "a CRF on top",
        "configs/bilstm_crf.cfg",
        without=(CHARACTERS, HASHTAGS, PHRASES),
    ),
    Contestant(
        "crf_characters",
        "character CNN",
        "configs/bilstm_crf.cfg",
        without=(HASHTAGS, PHRASES),
    ),
    Contestant("crf_hashtags", "words of hashtags", "configs/bilstm_crf.cfg", without=(PHRASES,)),
    Contestant("bilstm_crf", "gazetteer of the training data", "configs/bilstm_crf.cfg"),
    Contestant(
        "clusters",
        "`crf_characters` with word clusters",
        "configs/bilstm_crf_lexical.cfg",
        {"paths.vectors": None},
        without=(VECTORS,),
        needs=(CLUSTER_FILE,),
    ),
    Contestant(
        "bilstm_crf_lexical",
        "word vectors",
        "configs/bilstm_crf_lexical.cfg",
        needs=(CLUSTER_FILE, VECTOR_FOLDER),
    ),
    Contestant(
        "own_clusters",
        "with `lexical`'s own clusters instead",
        "configs/bilstm_crf_lexical.cfg",
        {"paths.clusters": "lexical/clusters.tsv"},
        needs=("lexical/clusters.tsv", VECTOR_FOLDER),
    ),
    Contestant(
        "merged_vectors",
        "`bilstm_crf_lexical` with vectors merged with GloVe's",
        "configs/bilstm_crf_lexical.cfg",
        {"paths.vectors": MERGED_FOLDER},
        needs=(CLUSTER_FILE, MERGED_FOLDER),
    ),
    Contestant(
        "bilstm_crf_knowledge",
        "places and names; 150 hidden units",
        "configs/bilstm_crf_silver.cfg",
        NO_SILVER,
        needs=(CLUSTER_FILE, MERGED_FOLDER, FACTS_FOLDER),
    ),
    Contestant(
        "bilstm_crf_silver",
        "tweets that four of those annotated",
        "configs/bilstm_crf_silver.cfg",
        {"paths.silver": SILVER_FILE},
        needs=(CLUSTER_FILE, MERGED_FOLDER, FACTS_FOLDER, SILVER_FILE),
    ),
)
# The baseline that rungs are compared with.
REFERENCE = "crfsuite"


def all_contestants() -> tuple[Contestant, ...]:
    """RETURNS (tuple[Contestant, ...]): All, in the order in which tables show them."""
    return (*BASELINES, *LADDER)
