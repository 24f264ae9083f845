"""What a token of a tweet is: user name, URL, hashtag, number, elongated word → normal form.

Pure functions over a token's text. The text itself is never changed: these forms are features.
"""

import html
import re

USER = "<USR>"
URL = "<URL>"

_USER = re.compile(r"@\w+\Z")
_URL = re.compile(r"https?://", re.IGNORECASE)
_BARE_URL = re.compile(r"www\.\w|(?:t\.co|bit\.ly|goo\.gl|ow\.ly|youtu\.be|instagr\.am)/\w", re.I)
_DIGIT = re.compile(r"\d")
_ELONGATION = re.compile(r"(\D)\1{2,}")


def mask_user_and_url(text: str) -> str:
    """Replace a user name or a URL by a placeholder; leave any other token as it is.

    The rule of the article this project began from: a token that begins with @ is a user, one
    that begins with http:// or https:// a URL. A lone "@" is a word.

    text (str): A token's text.
    RETURNS (str): "<USR>", "<URL>" or the text.
    """
    if text.startswith("@") and len(text) > 1:
        return USER
    if text.startswith(("http://", "https://")):
        return URL
    return text


def normal_form(text: str) -> str:
    """What remains of a token when spelling, case and number are taken away.

    User names and URLs (with or without scheme) become placeholders, HTML entities their
    characters, digits 0, and a character that stands more than twice in a row stands twice;
    letters are lower-cased and a hashtag loses its "#".

    text (str): A token's text.
    RETURNS (str): Its normal form, never empty unless the text is.
    """
    if _USER.match(text):
        return USER
    if _URL.match(text) or _BARE_URL.match(text):
        return URL
    # A reference to a character that HTML forbids, such as &#1;, stands for nothing: keep it.
    form = (html.unescape(text) or text).lower()
    if len(form) > 1 and form[0] in "#＃" and form[1] not in "#＃":
        form = form[1:]
    return _ELONGATION.sub(r"\1\1", _DIGIT.sub("0", form))
