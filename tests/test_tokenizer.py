import pickle
import time
import unicodedata
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.cli.evaluate import evaluate
from spacy.cli.train import train
from spacy.symbols import ORTH
from spacy.training import Example
from spacy.util import to_bytes
from spacy.vocab import Vocab

from spacy_twitter_ner.corpus.convert import convert
from spacy_twitter_ner.normalization import token_kind
from spacy_twitter_ner.tokenizer import CACHE_SIZE, MAX_CACHED_LENGTH, TweetTokenizer

from .tweets import TEXTS

BILSTM = Path(__file__).parents[1] / "configs" / "bilstm_crf.cfg"
NAME = "spacy-twitter-ner.TweetTokenizer.v1"
CONFIG = {"nlp": {"tokenizer": {"@tokenizers": NAME}}}

UNITS = """
! a a. ' ([ :( a@b. http://a( www. &a -= n't 😂 e\u0301 <t~t )://" "(_) 1, $a ^. 😂\u200d a- @ #
a/ a&amp; http://a. http://a- http://a_ https://é. @a@ @a@a. #1 #_ #1· $a: $1: 8p. 1- a· _http://
中a. 1\ufe0f a1\u20e3 St. J. No. a-h @_ (ಠ pic.twitter.com/ www.
"""


@pytest.fixture(scope="module")
def tokenizer():
    return TweetTokenizer(spacy.blank("xx").vocab)


@pytest.fixture(scope="module")
def splitting():
    return TweetTokenizer(spacy.blank("xx").vocab, split_contractions=True)


@pytest.fixture(scope="module")
def ud():
    """The scheme "ud", with the other settings."""
    cases = {
        "gimme": ["gim", "me"],
        ":cake:": [":cake:"],
        "＃１a": ["#1", "a"],
        "é~": ["e\u0301", "~"],
    }
    vocab = spacy.blank("xx").vocab
    return TweetTokenizer(vocab, scheme="ud", split_hashtags=True, special_cases=cases)


def words(doc):
    return [token.text for token in doc]


# The expected tokens are separated by spaces.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # mentions, hashtags and cashtags
        ("@kim: hi", "@kim : hi"),
        (".@kim @kim's @kim_1!", ". @kim @kim 's @kim_1 !"),
        ("#tag #Kim's #1 #a#b (#tag)", "#tag #Kim 's #1 #a #b ( #tag )"),
        ("$AAPL, $BRK.B A$AP $hit", "$AAPL , $BRK.B A$AP $hit"),
        ("RT @kim: RT@kim:so via@kim", "RT @kim : RT @kim : so via @kim"),
        ("w/ w/o w/me W/L", "w/ w/o w/ me W/L"),
        # URLs and e-mail addresses
        ("http://t.co/x. (https://t.co/x),", "http://t.co/x . ( https://t.co/x ) ,"),
        ("“http://t.co/x” http://t.co/x…😂", "“ http://t.co/x ” http://t.co/x … 😂"),
        ("http://x.org/a_(b)?c=d&e=f#g!", "http://x.org/a_(b)?c=d&e=f#g !"),
        ("&quot;http://t.co/x&quot;", "&quot; http://t.co/x &quot;"),
        ("herehttp://t.co/x seepic.twitter.com/x", "here http://t.co/x see pic.twitter.com/x"),
        ("www.x.org, t.co/x bit.ly/x.", "www.x.org , t.co/x bit.ly/x ."),
        ("weather.com bbc.co.uk/x tonight.So", "weather.com bbc.co.uk/x tonight . So"),
        ("me@x.com, j.doe+a@mail.co.uk.", "me@x.com , j.doe+a@mail.co.uk ."),
        # emoticons
        (":) :-))) ;P :D :'( =/ <3 </3 8-)", ":) :-))) ;P :D :'( =/ <3 </3 8-)"),
        ("so:) ok:D ok!:) (: D: )", "so :) ok :D ok ! :) (: D: )"),
        ("^_^ -_- (^-^) >.< ;_; \\o/ ¯\\_(ツ)_/¯", "^_^ -_- (^-^) >.< ;_; \\o/ ¯\\_(ツ)_/¯"),
        ("bored-_- (UCLA): at:4 Re:Dad", "bored -_- ( UCLA ) : at : 4 Re : Dad"),
        # emoji
        ("😂😂 😂😍ok❤️", "😂😂 😂 😍 ok ❤️"),
        ("👍🏽👍🏽👍 👨‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🇺🇸🇬🇧 1️⃣2️⃣", "👍🏽👍🏽 👍 👨‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🇺🇸 🇬🇧 1️⃣ 2️⃣"),
        # numbers
        ("1,000.50 3rd 10% 7:30 7:30pm. 18+", "1,000.50 3rd 10% 7:30 7:30pm . 18+"),
        ("$5 $1,000.50 £4.5m 5€ -5 (-5) .5", "$5 $1,000.50 £4.5m 5€ -5 ( -5 ) .5"),
        ("10/23/2015 8-10pm 98.6°F Sept 17,2010", "10/23/2015 8-10pm 98.6°F Sept 17 , 2010"),
        # words
        ("I'm don't y'all can’t o'clock", "I'm don't y'all can’t o'clock"),
        ("Kim's Kim’s KIM'S it's 's", "Kim 's Kim ’s KIM 'S it 's 's"),
        ("Giants' goin' 'hi' 'RT", "Giants ' goin ' ' hi ' ' RT"),
        ("U.S. a.m. U.S.A J.J.'s p.m... N.J....", "U.S. a.m. U.S.A J.J. 's p.m ... N.J. ..."),
        ("Wi-Fi and/or R&B AT&T D@mn F**k a_b C++", "Wi-Fi and/or R&B AT&T D@mn F**k a_b C++"),
        ("-Rumi News- a--b *sigh* ~x~", "- Rumi News - a -- b * sigh * ~ x ~"),
        ("e\u0301te\u0301 हिन्दी ไทย می‌خواهم", "e\u0301te\u0301 हिन्दी ไทย می‌خواهم"),
        # HTML entities
        ("&amp; M&amp;M's &lt;3 a&gt;b", "&amp; M&amp;M 's &lt; 3 a &gt; b"),
        ("it&#39;s don&#39;t don&apos;t &hearts;", "it &#39;s don&#39;t don&apos;t &hearts;"),
        # punctuation and symbols
        ("ok!!! what?!?! so... … ....", "ok !!! what ?!?! so ... … ...."),
        ('"Hi," he said."', '" Hi ," he said ."'),
        ("no,yes yes.No no...yes", "no , yes yes . No no ... yes"),
        ("(a) [b] {c} ((d)) “e” «f»", "( a ) [ b ] { c } (( d )) “ e ” « f »"),
        ("-> --> <- =>", "-> --> <- =>"),
        # invisible characters
        ("\u200bWhy \u2066@kim\u2069 a\u200bb", "\u200b Why \u2066 @kim \u2069 a \u200b b"),
        ("a\x00\x00b \ufeff", "a \x00\x00 b \ufeff"),
    ],
)
def test_tokens(tokenizer, text, expected):
    doc = tokenizer(text)
    assert words(doc) == expected.split(" ")
    assert doc.text == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # mentions, hashtags and cashtags
        ("@kim님 @kimさん の@kimに", "@kim 님 @kim さん の @kim に"),
        ("@Zoë @Zoe\u0308 @me@x.social @ann@bob", "@Zoë @Zoe\u0308 @me@x.social @ann @bob"),
        ("rt@kim Rt@kim VIA@kim rt:@kim art@kim", "rt @kim Rt @kim VIA @kim rt : @kim art@kim"),
        ("$VOW:GR, $6758:JP $ABC-A $Buy:now", "$VOW:GR , $6758:JP $ABC-A $Buy : now"),
        ("#col·lecció #メ〜テレ #ク～ク #מ״כ #וכו׳", "#col·lecció #メ〜テレ #ク～ク #מ״כ #וכו׳"),
        ("#می\u200cخواهم #ශ්\u200dරී #བོད་ #い゛", "#می\u200cخواهم #ශ්\u200dරී #བོད་ #い゛"),
        (
            "paral·lel ボブ・ディラン צ׳ק עַל־יְדֵי 10～20",
            "paral·lel ボブ・ディラン צ׳ק עַל־יְדֵי 10～20",
        ),
        # URLs
        (
            "Drake-https://t.co/x Drake&amp;http://t.co/x",
            "Drake - https://t.co/x Drake &amp; http://t.co/x",
        ),
        ("Drake/http://x.org Drake’HTTPS://x.org", "Drake / http://x.org Drake ’ HTTPS://x.org"),
        ("Drake_http://x.org Drake++http://x.org", "Drake _ http://x.org Drake ++ http://x.org"),
        (
            "Zoe\u0308https://x.org Drake·https://x.org",
            "Zoe\u0308 https://x.org Drake · https://x.org",
        ),
        (
            "#Drake-https://t.co/x @kim+https://t.co/x",
            "#Drake - https://t.co/x @kim + https://t.co/x",
        ),
        (
            "Ali.pic.twitter.com/x Ali-pic.twitter.com/x",
            "Ali . pic.twitter.com/x Ali - pic.twitter.com/x",
        ),
        ("Ali/www.x.org x.org/a,http://x.org/b", "Ali / www.x.org x.org/a , http://x.org/b"),
        ("web.archive.org/web/http://x.org", "web.archive.org/web/http://x.org"),
        (
            "Https://t.co/x HTTP://x.org FTP://x.org WWW.x.org",
            "Https://t.co/x HTTP://x.org FTP://x.org WWW.x.org",
        ),
        (
            "x.com/@kim x.com/#a x.com/?a x.com/~a x.com/$a",
            "x.com/@kim x.com/#a x.com/?a x.com/~a x.com/$a",
        ),
        (
            "x.com/%20 bit.ly/-a bit.ly/@a x.com/. x.com/!",
            "x.com/%20 bit.ly/-a bit.ly/@a x.com/ . x.com/ !",
        ),
        (
            "http://t.co/Ab1's t.co/Ab1- http://t.co/Ab1+c",
            "http://t.co/Ab1 's t.co/Ab1 - http://t.co/Ab1 + c",
        ),
        (
            "pic.twitter.com/Ab1’s http://t.co/Ab1?amp=1.",
            "pic.twitter.com/Ab1 ’s http://t.co/Ab1?amp=1 .",
        ),
        (
            "http://x.org-oops http://☂.net/a http://例え.テスト/",
            "http://x.org - oops http://☂.net/a http://例え.テスト/",
        ),
        ("今日x.com明日t.co/Ab1도 ESPAÑA.com", "今日 x.com 明日 t.co/Ab1 도 ESPAÑA.com"),
        ("http://x.org/cafe\u0301 ESPAN\u0303A.com", "http://x.org/cafe\u0301 ESPAN\u0303A.com"),
        ("http://t… http:// http://localhost:80/x", "http://t … http:// http://localhost:80/x"),
        (
            "#http://x.org @http://x.org $http://x.org",
            "# http://x.org @ http://x.org $ http://x.org",
        ),
        # emoji and emoticons
        ("Ali1️⃣ @kim2️⃣ #a3️⃣ http://t.co/x4️⃣", "Ali 1️⃣ @kim 2️⃣ #a 3️⃣ http://t.co/x 4️⃣"),
        ("Ali#️⃣ Ali*️⃣ Ali5\u20e3 1️⃣1️⃣", "Ali #️⃣ Ali *️⃣ Ali 5\u20e3 1️⃣1️⃣"),
        ("\\m/ \\M/ @_@ @__@ (@_@) (ಠ_ಠ) (◕‿◕) ¬_¬", "\\m/ \\M/ @_@ @__@ (@_@) (ಠ_ಠ) (◕‿◕) ¬_¬"),
        # numbers
        ("8p.m. 7:30P.M. 8-10a.m., 8a.m.-5p.m.", "8p.m. 7:30P.M. 8-10a.m. , 8a.m.-5p.m."),
        ("8p.m 8p.m... 8p.m.EST", "8p.m 8p.m ... 8p.m . EST"),
        ("₩5,000 ₽100 ₿2 ฿30 ￥400 -₺5 5₺ 5¢", "₩5,000 ₽100 ₿2 ฿30 ￥400 -₺5 5₺ 5¢"),
    ],
)
def test_tokens_by_twitter_rules(tokenizer, splitting, text, expected):
    for tokenize in (tokenizer, splitting):
        doc = tokenize(text)
        assert words(doc) == expected.split(" ")
        assert doc.text == text


@pytest.mark.parametrize(
    "joint", [*"-‐‑–—_/+|,;:.!?&=~*'’\"“”()[]<>…·•・^%$#@°", "&amp;", "--", "++"]
)
@pytest.mark.parametrize("url", ["https://t.co/Ab1", "HTTP://x.org/a"])
def test_tokens_of_url_after_joint(tokenizer, joint, url):
    tokens = words(tokenizer(f"saw Drake{joint}{url}"))
    assert tokens[:2] == ["saw", "Drake"]
    assert tokens[-1] == url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # linked by Twitter
        ("hi @kim, .@ann", {"MENTION": ["@kim", "@ann"]}),
        ("RT@kim rt:@ann", {"MENTION": ["@kim", "@ann"]}),
        ("#a #1st (#b)", {"HASHTAG": ["#a", "#1st", "#b"]}),
        ("$A $VOW:GR $A_", {"CASHTAG": ["$A", "$VOW:GR", "$A"]}),
        ("http://x.org tv: nhl.tv", {"URL": ["http://x.org", "nhl.tv"]}),
        # not linked by Twitter
        ("d!@mn d#@mn @Zoë @me@x.social", {"UNLINKED": ["@mn", "@mn", "@Zoë", "@me@x.social"]}),
        ("#1 #_ #1_2 a#b", {"UNLINKED": ["#1", "#_", "#1_2", "#b"]}),
        ("A$A.$B $B$C", {"UNLINKED": ["$B", "$C"], "CASHTAG": ["$B"]}),
        (
            "http://t http://-x.org http://x_y.org",
            {"UNLINKED": ["http://t", "http://-x.org", "http://x_y.org"]},
        ),
        ("http://x.o_g @http://x.org", {"UNLINKED": ["http://x.o_g", "http://x.org"]}),
        ("end.So it.so x.jp a.tar.bz2", {}),
    ],
)
def test_explain_links_as_twitter(tokenizer, text, expected):
    found: dict[str, list[str]] = {}
    for rule, token in tokenizer.explain(text):
        if rule in ("MENTION", "HASHTAG", "CASHTAG", "URL", "UNLINKED"):
            found.setdefault(rule, []).append(token)
    assert found == expected


@pytest.mark.parametrize(
    "text",
    [
        "moving to St. Louis and Ft. Worth tomorrow",
        "saw Dr. Who, mr. bean and Prof. X with Gov. Christie",
        "J. Cole and Samuel L. Jackson, Mr. T too",
        "at Apple Inc. in Cupertino, Ford Motor Co. and Warner Bros. Records",
        "Ali vs. Frazier, Mayweather v. Pacquiao",
        "No. 5 and no. 10 are out, see Vol. 2",
        "Robert Downey Jr. is here, so is Kim Sr. Park",
        "on Sat. Nov. 5 in L.A. tonight",
        "a Ph.D. from MIT",
        "No.1 in St.Louis with Dr.Dre and J.Cole",
        '(St. Louis) and Dr. "Bones" McCoy',
        "see St.\nLouis",
    ],
)
def test_sentencizer_keeps_abbreviations(text):
    nlp = spacy.blank("en", config=CONFIG)
    nlp.add_pipe("sentencizer")
    assert [sent.text for sent in nlp(text).sents] == [text]


@pytest.mark.parametrize(
    "text",
    [
        "She said no. He left",
        "So do I. You too",
        "out in the sun. Then home",
        "moved to Boston. Louis stayed",
        "u. R u ok",
        "It is St . Louis said",
    ],
)
def test_sentencizer_splits_other_sentences(text):
    nlp = spacy.blank("en", config=CONFIG)
    nlp.add_pipe("sentencizer")
    assert len(list(nlp(text).sents)) == 2


def test_sent_start_is_only_set_after_abbreviations(tokenizer):
    assert not tokenizer("Hi. You there. @kim: St").has_annotation("SENT_START")


@given(text=TEXTS)
@settings(deadline=None, max_examples=300)
def test_tokens_of_canonically_equivalent_texts(tokenizer, text):
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    tokens = words(tokenizer(decomposed))
    assert [unicodedata.normalize("NFC", token) for token in tokens] == words(tokenizer(composed))


@pytest.mark.parametrize(
    "text",
    [
        "\u0958\u0958. \u0958@kim",  # one character here, two in NFC
        "\U0001d15e\U0001d15e #\U0001d15e",
        "e\u0323\u0302\u0301. x\u0301\u0323@kim \u0344",
        "\u212a. \u037e \u1fef",
        "e\u0301\ud83d https://t.co/e\u0301",
    ],
)
def test_tokens_of_uncomposed_texts(tokenizer, text):
    doc = tokenizer(text)
    assert doc.text == text.replace("\ud83d", "\ufffd")
    assert all(len(token) for token in doc)
    assert [token.replace("\ud83d", "\ufffd") for _, token in tokenizer.explain(text)] == words(doc)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("₩5,000", "number"),
        ("5₺", "number"),
        ("8p.m.", "number"),
        ("$VOW:GR", "cashtag"),
        ("$6758:JP", "cashtag"),
        ("#col·lecció", "hashtag"),
        ("HTTPS://x.org", "url"),
    ],
)
def test_token_kind_matches_rule(tokenizer, text, kind):
    assert words(tokenizer(text)) == [text]
    assert token_kind(text) == kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("don't I'm we're we've we'll he'd", "do n't I 'm we 're we 've we 'll he 'd"),
        ("DON’T shouldn't've can't", "DO N’T should n't 've ca n't"),
        ("don&#39;t I&apos;m Kim's", "do n&#39;t I &apos;m Kim 's"),
        ("o'clock y'all 'dad isn'tx", "o'clock y'all ' dad isn'tx"),
    ],
)
def test_split_contractions(splitting, text, expected):
    doc = splitting(text)
    assert words(doc) == expected.split(" ")
    assert doc.text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        " ",
        "  ",
        "a b",
        " a",
        "a ",
        "a  b",
        "a   ",
        "a\nb",
        "a \n b",
        "\n a\t",
        "a\xa0b \x85c",
    ],
)
def test_whitespace_matches_spacy(tokenizer, text):
    ours, spacys = tokenizer(text), spacy.blank("xx")(text)
    assert words(ours) == words(spacys)
    assert [token.whitespace_ for token in ours] == [token.whitespace_ for token in spacys]
    assert not ours.has_unknown_spaces


@given(text=TEXTS, number=st.integers(0, 2))
@settings(deadline=None, max_examples=500)
def test_tokenizer_is_non_destructive(tokenizer, splitting, ud, text, number):
    doc = (tokenizer, splitting, ud)[number](text)
    assert doc.text == text
    assert all(len(token) for token in doc)
    # Whitespace is never part of other tokens.
    for token in doc:
        assert token.is_space == any(char.isspace() for char in token.text)


@given(text=TEXTS, number=st.integers(0, 2))
@settings(deadline=None, max_examples=300)
def test_explain_has_same_tokens(tokenizer, splitting, ud, text, number):
    tokenize = (tokenizer, splitting, ud)[number]
    explained, doc = tokenize.explain(text), tokenize(text)
    assert [token for _, token in explained] == [t.text for t in doc if not t.is_space]


def test_explain_rules(tokenizer):
    assert tokenizer.explain(
        "RT@kim:  Kim's 7pm ok:) #a $A\n&amp; w/ U.S. 😂😂 -> !! * \u200b"
    ) == [
        ("RETWEET", "RT"),
        ("MENTION", "@kim"),
        ("PUNCTUATION", ":"),
        ("WORD", "Kim"),
        ("CLITIC", "'s"),
        ("NUMBER", "7pm"),
        ("WORD", "ok"),
        ("EMOTICON", ":)"),
        ("HASHTAG", "#a"),
        ("CASHTAG", "$A"),
        ("HTML", "&amp;"),
        ("WITH", "w/"),
        ("ABBREVIATION", "U.S."),
        ("EMOJI", "😂😂"),
        ("ARROW", "->"),
        ("PUNCTUATION", "!!"),
        ("SYMBOL", "*"),
        ("INVISIBLE", "\u200b"),
    ]
    assert tokenizer.explain("me@x.com x.com/y") == [("EMAIL", "me@x.com"), ("URL", "x.com/y")]


def test_lone_surrogates_are_replaced(tokenizer):
    # Such as from JSON that was truncated inside an emoji.
    doc = tokenizer("so \ud83d funny\udc00")
    assert doc.text == "so \ufffd funny\ufffd"
    assert words(doc) == ["so", "\ufffd", "funny", "\ufffd"]


def test_marks_are_part_of_words(tokenizer):
    for script in ("\u0915\u093f", "\u0c95\u0cbf", "\u0627\u064b", "\u05d0\u05b8", "\u1000\u102d"):
        assert unicodedata.category(script[1]) in ("Mn", "Mc")
        assert words(tokenizer(script + script)) == [script + script]


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS.split())
@pytest.mark.parametrize("name", ["tokenizer", "splitting", "ud"])
def test_tokenizer_time_is_linear(request, name, unit):
    tokenize = request.getfixturevalue(name)._split  # without the cache

    def measure(length: int) -> float:
        text = unit * (length // len(unit))
        times = []
        for _ in range(3):
            start = time.process_time()
            tokenize(text)
            times.append(time.process_time() - start)
        return min(times)

    # 8 times the length would take 64 times as long in quadratic time. It may take more than 8
    # times as long because of memory allocation.
    assert measure(80_000) < 40 * max(measure(10_000), 0.001)


def test_tokenizer_cache_is_bounded(tokenizer):
    tokenizer = TweetTokenizer(Vocab())
    for number in range(CACHE_SIZE + 100):
        tokenizer._split_cached(f"#{number}")
    assert tokenizer._split_cached.cache_info().currsize == CACHE_SIZE
    before = tokenizer._split_cached.cache_info()
    tokenizer("#" + "a" * MAX_CACHED_LENGTH)
    assert tokenizer._split_cached.cache_info() == before


def test_tokenizer_pipe(tokenizer):
    texts = ["@kim:", "", "ok :)"]
    assert [words(doc) for doc in tokenizer.pipe(iter(texts))] == [["@kim", ":"], [], ["ok", ":)"]]


@given(text=TEXTS)
@settings(deadline=None, max_examples=50)
def test_serialization_round_trip(splitting, text):
    for copy in (
        TweetTokenizer(Vocab()).from_bytes(splitting.to_bytes()),
        pickle.loads(pickle.dumps(splitting)),
    ):
        assert copy.settings["split_contractions"]
        assert words(copy(text)) == words(splitting(text))


def test_serialization_exclude(splitting, tmp_path):
    splitting.vocab.strings.add("unheard-of")
    splitting.to_disk(tmp_path / "tokenizer", exclude=["vocab"])
    loaded = TweetTokenizer(Vocab()).from_disk(tmp_path / "tokenizer")
    assert loaded.settings["split_contractions"]
    assert "unheard-of" not in loaded.vocab.strings
    loaded = TweetTokenizer(Vocab()).from_bytes(splitting.to_bytes(), exclude=["cfg"])
    assert not loaded.settings["split_contractions"]
    assert "unheard-of" in loaded.vocab.strings


def test_from_disk_raises_error_on_other_tokenizer(tmp_path):
    nlp = spacy.blank("en")
    nlp.tokenizer.to_disk(tmp_path / "tokenizer", exclude=["vocab"])
    with pytest.raises(ValueError, match="isn't the data of a TweetTokenizer"):
        TweetTokenizer(Vocab()).from_disk(tmp_path / "tokenizer")


def test_tokenizer_in_saved_pipeline(tmp_path):
    config = {
        "nlp": {
            "tokenizer": {"@tokenizers": NAME, "split_contractions": True, "split_slashes": True}
        }
    }
    nlp = spacy.blank("en", config=config)
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "team", "pattern": "#Arsenal"}])
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.config["nlp"]["tokenizer"].items() >= config["nlp"]["tokenizer"].items()
    assert loaded.tokenizer.vocab is loaded.vocab
    doc = loaded("#Arsenal don't")
    assert words(doc) == ["#Arsenal", "do", "n't"]
    assert [ent.text for ent in doc.ents] == ["#Arsenal"]
    # The saved setting takes precedence over the config.
    loaded = spacy.blank("en", config=CONFIG).from_bytes(nlp.to_bytes())
    assert words(loaded.make_doc("don't")) == ["do", "n't"]


@pytest.mark.slow
def test_tokenizer_in_multiprocessing():
    nlp = spacy.blank("en", config=CONFIG)
    nlp.add_pipe("sentencizer")
    texts = [f"@kim{number}: don't :)" for number in range(20)]
    docs = list(nlp.pipe(texts, n_process=2, batch_size=5))
    assert [doc.text for doc in docs] == texts
    assert words(docs[7]) == ["@kim7", ":", "don't", ":)"]


def test_tokenizer_in_memory_zone():
    # Cached tokens must not refer to strings that were freed at the end of the zone.
    nlp = spacy.blank("en", config=CONFIG)
    with nlp.memory_zone():
        assert words(nlp("zonal-word: #zone")) == ["zonal-word", ":", "#zone"]
    assert "zonal-word" not in nlp.vocab.strings
    assert words(nlp("zonal-word: #zone")) == ["zonal-word", ":", "#zone"]


def test_tokenizer_score(tokenizer):
    vocab = tokenizer.vocab
    reference = spacy.tokens.Doc(vocab, words=["don't", "@", "kim"], spaces=[True, False, False])
    scores = tokenizer.score([Example(tokenizer("don't @kim"), reference)])
    assert (scores["token_p"], scores["token_r"]) == (1 / 2, 1 / 3)


@pytest.mark.slow
def test_training_on_raw_text(tmp_path):
    tweet = (
        "RT O\n@kim O\n: O\ngo O\n#Arsenal B-team\n's O\nBukayo B-player\nSaka I-player\n! O\n\n"
    )
    (tmp_path / "train.txt").write_text(4 * tweet, encoding="utf-8")
    (raw,) = convert([tmp_path / "train.txt"], tmp_path / "train.spacy", raw=True).raw_outputs
    overrides = {
        "paths.train": str(raw),
        "paths.dev": str(raw),
        "nlp.tokenizer.@tokenizers": NAME,
        "training.max_steps": 20,
        "training.eval_frequency": 20,
    }
    train(BILSTM, tmp_path / "out", overrides=overrides)
    scores = evaluate(str(tmp_path / "out" / "model-best"), raw, silent=True)
    assert (scores["token_acc"], scores["token_f"], scores["ents_f"]) == (1, 1, 1)
    nlp = spacy.load(tmp_path / "out" / "model-best")
    assert isinstance(nlp.tokenizer, TweetTokenizer)
    doc = nlp("RT @kim: go #Arsenal's Bukayo Saka!")
    assert [(ent.text, ent.label_) for ent in doc.ents] == [
        ("#Arsenal", "team"),
        ("Bukayo Saka", "player"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Obama/Biden 2012", "Obama / Biden 2012"),
        ("red/green/blue", "red / green / blue"),
        ("Málaga/Łódź", "Málaga / Łódź"),
        ("AC/DC and/or w/out 24/7 n/a TX/OK", "AC/DC and/or w/ out 24/7 n/a TX/OK"),
        ("t.co/abcdef example.com/one/two", "t.co/abcdef example.com/one/two"),
        ("wi-fi/bluetooth", "wi-fi/bluetooth"),
    ],
)
def test_split_slashes(text: str, expected: str) -> None:
    tokenizer = TweetTokenizer(Vocab(), split_slashes=True)
    assert [token.text for token in tokenizer(text)] == expected.split()
    copy = TweetTokenizer(Vocab()).from_bytes(tokenizer.to_bytes())
    assert copy.settings["split_slashes"]
    assert [token.text for token in copy(text)] == expected.split()
    assert [token.text for token in TweetTokenizer(Vocab())("Obama/Biden")] == ["Obama/Biden"]


def test_load_tokenizer_of_first_version() -> None:
    data = to_bytes({"cfg": lambda: {"split_contractions": True}}, [])
    tokenizer = TweetTokenizer(Vocab()).from_bytes(data, exclude=["vocab"])
    assert tokenizer.settings["split_contractions"]
    assert not tokenizer.settings["split_slashes"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # contractions and colloquial forms, with and without an apostrophe
        ("don't I'm y'all yall'll", "do n't I 'm y' all y all 'll"),
        ("gonna wanna GOTTA cannot gimme lemme", "gon na wan na GOT TA can not gim me lem me"),
        ("dont Cant WONT didnt aint im Im ive", "do nt Ca nt WO NT did nt ai nt i m I m i ve"),
        ("youre thats whats lets hes", "you re that s what s let s he s"),
        ("want ill were well id plant simple imma", "want ill were well id plant simple imma"),
        ("wouldve couldn’t Youd 'twas ’tis", "would ve could n’t You d 't was ’t is"),
        ("ill be ill. Id love an id card", "i ll be ill . I d love an id card"),
        ("c'mon dunno kinda whatcha idk", "c'm on dunno kinda whatcha idk"),
        # possessives and elisions
        ("Kim's James' kids' Málaga’s", "Kim 's James ' kids ' Málaga ’s"),
        ("tell 'em goin' rock 'n' roll '90s", "tell 'em goin' rock 'n' roll '90s"),
        ("'hi' 'cause' ‘hi’ ma'am o'clock", "' hi ' ' cause ' ‘ hi ’ ma'am o'clock"),
        ("its raining, Its a dog", "it s raining , It s a dog"),
        ("its tail, its own, its", "its tail , its own , its"),
        # abbreviations
        ("Acme Inc. hired Dr. J. Doe.", "Acme Inc. hired Dr. J. Doe ."),
        ("at 5 p.m. in the U.S. etc.", "at 5 p.m. in the U.S. etc."),
        ("a Ph.D. vs. a Ph.D, No.1 in Jan.", "a Ph.D. vs. a Ph.D , No. 1 in Jan."),
        ("so do I. no. It sat. wait...", "so do I . no . It sat . wait ..."),
        # amounts
        ("£30 $1,000.50 $20k 5€ -$5", "£ 30 $ 1,000.50 $ 20 k 5 € - $ 5"),
        ("$20-40k $5.", "$ 20-40 k $ 5 ."),
        ("1k 10% 7:30pm 8p.m. 8-10am", "1 k 10 % 7:30 pm 8 p.m. 8-10 am"),
        ("5km 20mins 6ft 3rd 90s 4G 3D", "5 km 20 mins 6 ft 3rd 90s 4G 3D"),
        ("10:30am-5pm 24h 2x $AAPL", "10:30 am - 5 pm 24 h 2x $AAPL"),
        ("3-1 10:30 10/12/2016 1,000,000.50", "3-1 10:30 10/12/2016 1,000,000.50"),
        ("#1 fan, #5k #2cool", "# 1 fan , #5k #2cool"),
        # slashes
        ("his/her and/or Obama/Biden", "his / her and / or Obama / Biden"),
        ("n/a w/o w/ me b/c s/o 24/7 1/2", "n/a w/o w/ me b/c s/o 24/7 1/2"),
        ("well-known t-shirt twenty-one -- no--yes", "well-known t-shirt twenty-one -- no -- yes"),
        # runs of punctuation
        ('"Go ." he said." no!" ok?!', '" Go . " he said . " no ! " ok ?!'),
        ("what...? hm.., yes!!! ::) so...yeah", "what ...? hm .., yes !!! : :) so ... yeah"),
        ("wait,… “ok?” :; 'a\"", "wait , … “ ok ? ” :; ' a \""),
        # what is peculiar to tweets
        ("#tag @kim http://t.co/x 😂😂 :-)", "#tag @kim http://t.co/x 😂😂 :-)"),
        (
            "RT @kim: &amp; &lt;3 &lt;/3 Q&A 🇫🇷🇪🇸 😂😭",
            "RT @kim : &amp; &lt;3 &lt;/3 Q&A 🇫🇷 🇪🇸 😂 😭",
        ),
        (
            ".@kim's #foo's hi😂 -_- <3 http://t.co/x…",
            ". @kim 's #foo 's hi 😂 -_- <3 http://t.co/x …",
        ),
    ],
)
def test_ud_scheme(text: str, expected: str) -> None:
    tokenizer = TweetTokenizer(Vocab(), scheme="ud")
    assert words(tokenizer(text)) == expected.split()


def test_ud_abbreviations_dont_end_sentences() -> None:
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": NAME, "scheme": "ud"}}})
    nlp.add_pipe("sentencizer")
    assert [sent.text for sent in nlp("Ask Dr. Who. She knows.").sents] == [
        "Ask Dr. Who.",
        "She knows.",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("love #JustinBieber!", "love # Justin Bieber !"),
        ("#NFLDraft2014 #World_Cup_Final_", "# NFL Draft 2014 # World _ Cup _ Final _"),
        ("#arsenal #Arsenal #USA #Top10 #iPhone", "#arsenal #Arsenal #USA #Top10 #iPhone"),
        ("#AnaÇelik #हिन्दी", "# Ana Çelik #हिन्दी"),
    ],
)
def test_split_hashtags(text: str, expected: str) -> None:
    doc = TweetTokenizer(Vocab(), split_hashtags=True)(text)
    assert words(doc) == expected.split()
    assert doc.text == text


def test_special_cases() -> None:
    nlp = spacy.blank("en", config=CONFIG)
    nlp.tokenizer.add_special_case("gimme", [{"ORTH": "gim"}, {ORTH: "me"}])
    nlp.tokenizer.add_special_case(":cake:", [{"ORTH": ":cake:"}])
    nlp.tokenizer.add_special_case("C++20", [{"ORTH": "C++"}, {"ORTH": "20"}])
    text = "gimme! Gimme gimmes :cake::cake: 𝗴𝗶𝗺𝗺𝗲 C++20"
    expected = "gim me ! Gimme gimmes :cake: :cake: 𝗴𝗶𝗺 𝗺𝗲 C++ 20"
    assert words(nlp(text)) == expected.split()
    assert nlp.tokenizer.explain("gimme") == [("SPECIAL", "gim"), ("SPECIAL", "me")]
    assert (
        words(spacy.blank("en", config=CONFIG).from_bytes(nlp.to_bytes())(text)) == expected.split()
    )


def test_special_cases_in_config() -> None:
    tokenizer = {"@tokenizers": NAME, "special_cases": {"gimme": ["gim", "me"]}}
    assert words(spacy.blank("en", config={"nlp": {"tokenizer": tokenizer}})("gimme")) == [
        "gim",
        "me",
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scheme": "penn"}, "scheme must be 'twitter' or 'ud', not 'penn'"),
        ({"special_cases": {"a b": ["a", "b"]}}, "without whitespace"),
        ({"special_cases": {"gimme": ["give", "me"]}}, "concatenate to it, not"),
        ({"special_cases": {"gimme": "gimme"}}, "must be a list of strings"),
        ({"split_emoji": True}, "no setting 'split_emoji'"),
    ],
)
def test_invalid_settings_are_rejected(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TweetTokenizer(Vocab(), **settings)


def test_special_case_with_another_attribute_is_rejected(tokenizer) -> None:
    with pytest.raises(ValueError, match="'gimme': each token must have ORTH and no other"):
        tokenizer.add_special_case("gimme", [{"ORTH": "gimme", "NORM": "give me"}])


@pytest.mark.parametrize("language", ["xx", "en", "de", "es", "hi"])
def test_tokenizer_in_other_languages(language: str) -> None:
    nlp = spacy.blank(language, config=CONFIG)
    assert words(nlp("@ana: ¡Olé! #Málaga 😂")) == ["@ana", ":", "¡", "Olé", "!", "#Málaga", "😂"]
