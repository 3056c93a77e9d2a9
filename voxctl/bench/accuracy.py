"""How much of what was said came back.

Before comparing, both texts are put in lower case and stripped of all that is neither letter, digit nor apostrophe.
"""

from __future__ import annotations

import unicodedata

from voxctl.bench.measures import Measures
from voxctl.errors import UsageError


def normalised(text: str) -> str:
    """Return ``text`` in compatibility form and lower case, with single spaces for everything else."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return " ".join("".join(c if c.isalnum() or c == "'" else " " for c in folded).split())


def require_jiwer() -> None:
    """Raise ``UsageError`` with the install line if the library that compares texts is not there."""
    try:
        import jiwer  # noqa: F401
    except ImportError as exc:
        raise UsageError(
            "references are given, and the library that compares texts is missing",
            hint="pip install 'voxctl[bench]', or leave the texts away.",
        ) from exc


def count_errors(measures: Measures, reference: str | None, heard: str | None) -> None:
    """Count the errors of one stream; one that did not finish (``heard`` is ``None``) counts as an error, not here."""
    if reference is None or heard is None or not (wanted := normalised(reference)):
        return
    import jiwer

    words = jiwer.process_words(wanted, normalised(heard))
    chars = jiwer.process_characters(wanted, normalised(heard))
    measures.words += words.hits + words.substitutions + words.deletions
    measures.word_errors += words.substitutions + words.deletions + words.insertions
    measures.chars += chars.hits + chars.substitutions + chars.deletions
    measures.char_errors += chars.substitutions + chars.deletions + chars.insertions
