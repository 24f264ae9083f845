from contest.contestants import LADDER
from contest.results import make_runs


def test_scripts_have_one_run() -> None:
    names = [run.name for run in make_runs("tiny", 3)]
    assert names[:3] == ["gazetteer-0", "crfsuite-0", "spacy_ner-0"]
    assert len(names) == len(set(names)) == 2 + 3 * (1 + len(LADDER))
