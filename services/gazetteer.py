"""Countries and cities in English, Russian and Ukrainian, from CLDR as Babel ships it; offline."""

from collections.abc import Iterator

from babel import Locale

from domains.gazetteer import Gazetteer

_LANGS = ("en", "ru", "uk")
_ALPHA_2 = 2


def build() -> Gazetteer:
    """Return the gazetteer of the product: our own names first, then CLDR's countries and its time zones' cities."""
    locales = [Locale(lang) for lang in _LANGS]
    return Gazetteer([*_countries(locales), *_cities(locales)])


def _countries(locales: list[Locale]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for code in sorted(locales[0].territories):
        # Numbers are continents, ZZ and its like are nowhere.
        if (
            len(code) == _ALPHA_2
            and code.isalpha()
            and code not in {"EU", "EZ", "UN", "QO", "ZZ", "XA", "XB"}
        ):
            yield (
                "place",
                tuple(str(locale.territories[code]) for locale in locales if code in locale.territories),
            )


def _cities(locales: list[Locale]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for zone in sorted({str(zone) for locale in locales for zone in locale.time_zones}):
        spellings = [locale.time_zones.get(zone, {}).get("city") for locale in locales]
        plain = zone.rsplit("/", 1)[-1].replace("_", " ")
        names = (spellings[0] or plain, *(name for name in spellings[1:] if name))
        if "/" in zone and not zone.startswith("Etc/") and len(names) > 1:
            yield "place", names
