"""The model of configs/article.cfg in PyTorch.

A vector of 200 for each word, dropout, an LSTM of 200 hidden units a direction, dropout, a dense
layer, softmax; masked cross-entropy; Adam, the gradient of each weight clipped at norm 1.
PyTorch is given the rows of words and tags, found beforehand, and is timed from making tensors
of them on. Its LSTM has no recurrent dropout.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import NumpyOps
from thinc.types import Ints1d

from spacy_twitter_ner.models.tables import Vocabulary
from spacy_twitter_ner.normalization import mask_user_and_url
from spacy_twitter_ner.pipeline.constraints import MISSING, get_aligned_tags

from .contestants import COMPONENT

WIDTH = 200
DROPOUT = 0.5
LEARN_RATE = 0.005
MAX_NORM = 1.0


class Encoded(NamedTuple):
    """A batch for PyTorch.

    words (list[Ints1d]): For each tweet, the rows of its words, (nT,).
    tags (list[Ints1d]): For each tweet, its gold tags, (nT,).
    """

    words: list[Ints1d]
    tags: list[Ints1d]


class Encoder:
    """Finds the rows of words and tags, by the vocabulary and labels of our pipeline.

    n_words (int): How many words the vocabulary has.
    n_tags (int): How many tags there are.
    """

    def __init__(self, nlp: Language) -> None:
        """nlp (Language): The pipeline of configs/article.cfg, initialised."""
        pipe: Any = nlp.get_pipe(COMPONENT)
        embed = next(node for node in pipe.model.walk() if node.name == "lexeme_features")
        self._vocabulary: Vocabulary = embed.attrs["vocabulary_masked"]
        self._type_index = {label: i for i, label in enumerate(pipe.labels)}
        self.n_words, self.n_tags = len(self._vocabulary), len(pipe.tags)

    def encode(self, batch: Sequence[Example]) -> Encoded:
        """RETURNS (Encoded): A batch."""
        return Encoded(
            [self._word_rows(example.predicted) for example in batch],
            [get_aligned_tags(example, self._type_index) for example in batch],
        )

    def _word_rows(self, doc: Doc) -> Ints1d:
        rows = [self._vocabulary.row(mask_user_and_url(token.text)) for token in doc]
        return NumpyOps().asarray1i(rows, dtype="int64")


def make_torch_model(
    torch: Any, n_words: int, n_tags: int, *, packed: bool
) -> Callable[[Sequence[Encoded]], None]:
    """Make the model in PyTorch.

    n_words (int): How many words the vocabulary has.
    n_tags (int): How many tags there are.
    packed (bool): Run the LSTM on a PackedSequence; otherwise on the padded batch, where the
        direction from the right reads the padding first. That is not the same result, but it is
        what most do, and faster.
    RETURNS (Callable): Trains the model on batches.
    """
    embedding = torch.nn.Embedding(n_words, WIDTH)
    lstm = torch.nn.LSTM(WIDTH, WIDTH, bidirectional=True, batch_first=True)
    dropout = torch.nn.Dropout(DROPOUT)
    dense = torch.nn.Linear(2 * WIDTH, n_tags)
    parameters = [p for layer in (embedding, lstm, dense) for p in layer.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=LEARN_RATE)
    utils = torch.nn.utils
    pad = utils.rnn.pad_sequence

    def encode(words: list[Any]) -> Any:
        vectors = dropout(embedding(pad(words, batch_first=True)))
        if not packed:
            return lstm(vectors)[0]
        lengths = torch.tensor([len(tweet) for tweet in words])
        sequence = utils.rnn.pack_padded_sequence(
            vectors, lengths, batch_first=True, enforce_sorted=False
        )
        return utils.rnn.pad_packed_sequence(lstm(sequence)[0], batch_first=True)[0]

    def train(batches: Sequence[Encoded]) -> None:
        for batch in batches:
            words = [torch.from_numpy(tweet) for tweet in batch.words]
            gold = [torch.from_numpy(tweet) for tweet in batch.tags]
            tags = pad(gold, batch_first=True, padding_value=MISSING)
            scores = dense(dropout(encode(words)))
            loss = torch.nn.functional.cross_entropy(
                scores.flatten(0, 1), tags.flatten(), ignore_index=MISSING
            )
            optimizer.zero_grad()
            loss.backward()
            for parameter in parameters:
                utils.clip_grad_norm_([parameter], MAX_NORM)
            optimizer.step()
            loss.item()

    return train
