"""The entity types of the pretrained pipeline, and coarser schemes that they can be folded into."""

TYPES = (
    "company",
    "creative-work",
    "event",
    "facility",
    "geo-loc",
    "movie",
    "musicartist",
    "organization",
    "other",
    "person",
    "product",
    "sportsteam",
    "tvshow",
)
_COARSE = {
    "person": "person",
    "musicartist": "person",
    "geo-loc": "location",
    "facility": "location",
    "company": "organization",
    "sportsteam": "organization",
    "organization": "organization",
    "movie": "creative-work",
    "tvshow": "creative-work",
}
# The types of the HSE and WNUT-2016 corpora, whose "other" includes these three.
_TEN = {"organization": "other", "event": "other", "creative-work": "other"}

# For each scheme, the type that a fine type is folded into. Types that aren't named are kept.
SCHEMES: dict[str, dict[str, str]] = {"fine": {}, "coarse": _COARSE, "ten": _TEN}
