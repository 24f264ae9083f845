"""Named entity recognition for tweets: a trainable BiLSTM tagger for spaCy."""

__version__ = "0.1.0"
