"""A list of checks on every width: beside each other where there is room, below each other where there is not."""

from __future__ import annotations

import pytest

from voxctl.ui.checks import Line, rows

CURE = "type this and then that"
LINES = [
    Line("ok", "Python", "3.13.0", ""),
    Line(
        "failed", "recogniser", "it did not\n answer \x1b[2J within ten seconds of patience", "type this and then that"
    ),
]


def text(columns: int | None) -> list[str]:
    return ["".join(span for span, _ in row) for row in rows(LINES, columns)]


def test_a_pipe_gets_a_row_for_each_text() -> None:
    assert text(None) == [
        "ok      Python      3.13.0",
        "failed  recogniser  it did not answer \ufffd[2J within ten seconds of patience",
        "                    try: type this and then that",
    ]


def test_a_finding_is_broken_below_itself() -> None:
    assert text(52) == [
        "ok      Python      3.13.0",
        "failed  recogniser  it did not answer \ufffd[2J within",
        "                    ten seconds of patience",
        "                    try: type this and then that",
    ]


def test_a_narrow_terminal_has_the_finding_below_the_name() -> None:
    assert text(26) == [
        "ok      Python",
        "    3.13.0",
        "failed  recogniser",
        "    it did not answer \ufffd[2J",
        "    within ten seconds of",
        "    patience",
        "    try: type this and",
        "         then that",
    ]


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
def test_no_row_is_wider_than_the_terminal_and_no_word_is_lost(columns: int) -> None:
    shown = text(columns)
    assert max(map(len, shown)) <= columns
    assert " ".join(" ".join(shown).split()) == " ".join(" ".join(text(None)).split())


def test_the_status_has_a_colour_of_its_own() -> None:
    styles = {row[0][0].strip(): row[0][1] for row in rows(LINES, 80) if row[0][1]}
    assert len(set(styles.values())) == 2 == len(styles)


def test_nothing_is_no_rows() -> None:
    assert rows([], 80) == []
