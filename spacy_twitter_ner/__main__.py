"""Run the command line with `python -m spacy_twitter_ner`."""

from spacy_twitter_ner.cli import main

if __name__ == "__main__":
    main()
