"""Both sides of a call as one stream for somebody who reads along."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voxctl.events import Done, Event, Notice, Opened, Progress, Reconnecting, Tail, Usage, Word, Words
from voxctl.transcript.conversation import Conversation, Turns

AGENT, CUSTOMER = 0, 1


def call() -> tuple[Conversation, Turns]:
    conversation = Conversation(("Agent", "Customer"), "call.wav")
    return conversation, Turns(conversation)


def said(text: str, start_s: float, *, word_s: float = 0.4) -> list[Event]:
    """Return the words of ``text`` as a server gives them: each followed by how far it has heard."""
    events: list[Event] = []
    for number, word in enumerate(text.split()):
        begin_s = start_s + number * word_s
        events.append(Words(f" {word}", (Word(word, begin_s, begin_s + word_s),)))
        events.append(Progress(begin_s + word_s, begin_s + word_s + 0.5))
    return events


def fed(turns: Turns, number: int, *events: Event) -> list[Event]:
    return [shown for event in events for shown in turns.apply(number, event)]


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Words))


def test_a_line_waits_until_the_other_side_can_have_no_earlier_one() -> None:
    _, turns = call()
    assert text_of(fed(turns, AGENT, *said("Good morning.", 1.0))) == ""
    assert text_of(fed(turns, CUSTOMER, Progress(2.0, 2.5))) == ""
    assert text_of(fed(turns, CUSTOMER, Progress(3.1, 3.5))) == "\nAgent: Good morning."


def test_lines_come_in_the_order_of_time_whichever_side_was_faster() -> None:
    _, turns = call()
    shown = fed(turns, AGENT, *said("One. Three.", 1.0, word_s=2.0), Done(Usage(), 9.0))
    shown += fed(turns, CUSTOMER, *said("Two. Four.", 2.0, word_s=2.0), Done(Usage(), 9.0))
    assert text_of(shown) == "\nAgent: One.\nCustomer: Two.\nAgent: Three.\nCustomer: Four."


def test_who_has_fallen_silent_in_mid_sentence_does_not_hold_up_the_other() -> None:
    _, turns = call()
    shown = fed(turns, AGENT, *said("well I", 1.0), Progress(6.0, 6.0))
    shown += fed(turns, CUSTOMER, *said("Yes. No.", 2.0), Progress(6.0, 6.0))
    assert text_of(shown) == "\nAgent: well I\nCustomer: Yes.\nCustomer: No."


def test_a_sentence_that_goes_on_after_it_was_given_out_is_not_cut_short() -> None:
    conversation, turns = call()
    shown = fed(turns, AGENT, *said("well I", 1.0), Progress(6.0, 6.0))
    shown += fed(turns, CUSTOMER, Progress(6.0, 6.0))
    assert text_of(shown) == "\nAgent: well I"
    late = Words(" never", (Word("never", 1.9, 6.1),))  # its start is an estimate: the same segment goes on
    shown = fed(turns, AGENT, late, Done(Usage(), 7.0)) + fed(turns, CUSTOMER, Done(Usage(), 7.0))
    assert text_of(shown) == "\nAgent: never" and conversation.channels[0].segments[0].text == "well I never"


def test_what_is_not_settled_is_the_tail_of_its_speaker() -> None:
    _, turns = call()
    fed(turns, AGENT, *said("well", 1.0))
    assert Tail("\nAgent: well I nev") in fed(turns, AGENT, Tail(" I nev"))
    both = fed(turns, CUSTOMER, Tail("what"))
    assert both == [Tail("\nAgent: well I nev\nCustomer: what")]
    assert fed(turns, CUSTOMER, Tail("what")) == [], "what has not changed is not shown again"


def test_progress_is_that_of_the_slower_side_and_the_end_that_of_both() -> None:
    conversation, turns = call()
    opened = Opened("voxtral")
    assert fed(turns, AGENT, opened, Progress(4.0, 5.0)) == [opened, Progress(0.0, 0.0)]
    assert fed(turns, CUSTOMER, opened, Progress(1.0, 2.0)) == [Progress(1.0, 2.0, 2.0)]
    assert fed(turns, AGENT, Done(Usage(3, 4), 9.0, 0.5)) == []
    assert fed(turns, CUSTOMER, Done(Usage(1, 1), 9.5, 0.7, complete=False)) == [Done(Usage(4, 5), 9.5, 0.6, False)]
    assert conversation.audio_s == 9.5 and not conversation.complete
    assert conversation.channels[0].complete and conversation.channels[0].usage == Usage(3, 4)


def test_notices_say_whose_they_are() -> None:
    _, turns = call()
    events = fed(turns, CUSTOMER, Notice("odd"), Reconnecting(2, 0.5, "it is full"))
    assert events == [Notice("Customer: odd"), Reconnecting(2, 0.5, "Customer: it is full")]


def test_what_was_held_back_comes_out_when_it_all_breaks_off() -> None:
    _, turns = call()
    assert text_of(fed(turns, AGENT, *said("Hello there", 5.0)) + fed(turns, CUSTOMER, *said("Hi", 1.0))) == ""
    assert text_of(turns.finish()) == "\nCustomer: Hi\nAgent: Hello there"
    assert turns.finish() == []


SENTENCES = st.lists(
    st.tuples(
        st.sampled_from((AGENT, CUSTOMER)),
        st.sampled_from(("Yes.", "well I", "no no no", "Go on.", "how", "so be it.")),
    ),
    max_size=25,
)


@given(SENTENCES, st.floats(0.1, 3.0), st.booleans())
def test_every_word_comes_out_once_and_in_the_order_of_its_speaker(
    sentences: list[tuple[int, str]], pause_s: float, whole: bool
) -> None:
    conversation, turns = call()
    ends_s, shown = [0.0, 0.0], []
    for number, text in sentences:
        shown += fed(turns, number, *said(text, ends_s[number]))
        ends_s[number] += 0.4 * len(text.split()) + pause_s
    for number in (AGENT, CUSTOMER) if whole else ():
        shown += fed(turns, number, Done(Usage(), ends_s[number]))
    shown += turns.finish()
    lines = text_of(shown).split("\n")[1:]
    for channel in conversation.channels:
        own = [line.removeprefix(f"{channel.speaker}: ") for line in lines if line.startswith(f"{channel.speaker}: ")]
        assert " ".join(own) == channel.text.strip()
    assert len(lines) == sum(1 for line in lines if line.startswith(("Agent: ", "Customer: ")))
