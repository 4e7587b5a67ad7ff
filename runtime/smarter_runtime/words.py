"""How search terms are found in what people write: normal form, whole words, plurals, scripts without spaces."""

import re
import unicodedata
from collections.abc import Iterator

# Han, kana, Thai, Lao, Khmer and Burmese are written without spaces between words.
_UNSPACED = re.compile("[぀-ヿ㐀-䶿一-鿿豈-﫿\U00020000-\U0003134f฀-๿຀-໿ក-៿က-႟]")
_SIBILANTS = ("s", "x", "z", "ch", "sh", "o")
_IRREGULAR = {
    "child": "children", "foot": "feet", "goose": "geese", "knife": "knives", "leaf": "leaves", "life": "lives",
    "man": "men", "mouse": "mice", "person": "people", "shelf": "shelves", "tooth": "teeth", "wife": "wives",
    "woman": "women",
}  # fmt: skip
_NO_PLURALS = frozenset({"always", "does", "gas", "has", "lens", "means", "news", "series", "species", "was", "yes"})
_IRREGULAR_SINGULAR = {plural: singular for singular, plural in _IRREGULAR.items()}


def normal(text: str) -> str:
    """Return `text` so that spellings which look the same compare equal."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def is_english(language: str) -> bool:
    return normal(language).replace("_", "-").split("-")[0] == "en"


def is_unspaced(text: str) -> bool:
    return _UNSPACED.search(text) is not None


def plain_words(text: str) -> list[str]:
    """Return the words of `text` in normal form."""
    return re.findall(r"\w+", normal(text))


def variants(word: str, english: bool) -> frozenset[str]:
    """Return `word` with its English singular and plural, where they apply."""
    if not english or not word.isascii() or not word.isalpha():
        return frozenset({word})
    singulars = _singulars(word)
    return frozenset({word, *singulars, *(plural for each in singulars for plural in _plurals(each))})


def stem(word: str) -> str:
    """Return one form for all numbers of an English word, good enough to compare words by."""
    return min(_singulars(word), key=len)


def _singulars(word: str) -> set[str]:
    """Return what `word` may be the plural of, by rule; some are no words, which does no harm."""
    if word in _IRREGULAR_SINGULAR:
        return {_IRREGULAR_SINGULAR[word]}
    if word in _NO_PLURALS or len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return {word}
    if word.endswith("ies") and len(word) > 4:
        return {word[:-3] + "y", word[:-1]}
    if word.endswith("es") and word[:-2].endswith(_SIBILANTS):
        return {word[:-1], word[:-2]}
    return {word[:-1]}


def _plurals(singular: str) -> Iterator[str]:
    if singular in _IRREGULAR:
        yield _IRREGULAR[singular]
        return
    yield singular + "s"
    if singular.endswith(_SIBILANTS):
        yield singular + "es"
    if len(singular) > 2 and singular.endswith("y") and singular[-2] not in "aeiou":
        yield singular[:-1] + "ies"


def has_word(text: str, word: str) -> bool:
    """Whether `word` stands in `text` as a whole word; both in normal form."""
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        if not _joins(text, start - 1, word[0]) and not _joins(text, end, word[-1]):
            return True
        start = text.find(word, start + 1)
    return False


def _joins(text: str, position: int, edge: str) -> bool:
    """Whether the character at `position` continues the word that ends in `edge`."""
    return 0 <= position < len(text) and _is_letter(text[position]) and _is_letter(edge)


def _is_letter(character: str) -> bool:
    # Marks belong to the letter before them: Indic vowel signs are no word characters to `str.isalnum`.
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")
