import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.corpus.detokenize import detokenize, guess_spaces

MARKS = """
. , ! ... ." ?" ": ' " '' " &quot; ( ) [ ] “ ” # $ % 's n't : :) &lt; 3 -
"""
TOKENS = st.lists(st.sampled_from(MARKS.split()) | st.text(min_size=1, max_size=3), max_size=8)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ("RT @kim : I'm at Kim 's , ok ?!", "RT @kim: I'm at Kim's, ok?!"),
        ("so ... we ca n't , I 'm sure he 'll", "so... we can't, I'm sure he'll"),
        ("CA N'T be NASA ’s", "CAN'T be NASA’s"),
        ("read … http://t.co/x", "read… http://t.co/x"),
        ("( a ) [ b ] { c } “ d ” « e »", "(a) [b] {c} “d” «e»"),
        ("# Arsenal won 3 % and $ 5 , not $ signs", "#Arsenal won 3% and $5, not $ signs"),
        ("a - b -- c / d | e @ f & g", "a - b -- c / d | e @ f & g"),
        ("ok :) no :( :D ;-) !", "ok :) no :( :D ;-)!"),
        ("I &lt; 3 u &lt; 33 3 &lt; 4 < 3", "I &lt;3 u &lt;33 3 &lt; 4 <3"),
        # paired quotation marks
        ('he said " hi " and " no " .', 'he said "hi" and "no".'),
        ("he said ' hi ' and ' no ' .", "he said 'hi' and 'no'."),
        ("so &quot; hi &quot; ok", "so &quot;hi&quot; ok"),
        ('he said : " hi ." so', 'he said: "hi." so'),
        ('it is " not ", he said', 'it is "not", he said'),
        ('he said :" hi " so', 'he said:"hi" so'),
        ('so "... and " ok', 'so "... and" ok'),
        ("\" a ' b ' c \"", "\"a 'b' c\""),
        # unpaired quotation marks
        ('" I hate mornings', '"I hate mornings'),
        ('he said " so', 'he said "so'),
        ('a 13.3 " screen', 'a 13.3" screen'),
        ("Giants ' game", "Giants' game"),
        ("' RT @kim", "'RT @kim"),
        ("' a ' b !' c", "'a' b!' c"),
        ('"', '"'),
        ("", ""),
    ],
)
def test_detokenize(tokens, expected):
    text, offsets = detokenize(tokens.split())
    assert text == expected
    assert [text[start:end] for start, end in offsets] == tokens.split()


@given(tokens=TOKENS)
def test_detokenize_offsets_and_spaces_match(tokens):
    text, offsets = detokenize(tokens)
    assert [text[start:end] for start, end in offsets] == tokens
    spaces = guess_spaces(tokens)
    assert text == "".join(
        token + " " * has_space for token, has_space in zip(tokens, spaces, strict=True)
    )
    assert not any(spaces[-1:])
