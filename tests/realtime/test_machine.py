"""The protocol of one connection: what is said, what is never said, what is made of the answers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from voxctl.errors import (
    InvalidAudio,
    ModelNotFound,
    ModelNotValidated,
    ProcessingError,
    ProtocolError,
    RequestRejected,
    ServerError,
    ServerFull,
)
from voxctl.events import Notice, Opened, Tail, Usage, Words
from voxctl.realtime.faults import FAULTS
from voxctl.realtime.machine import Acknowledged, Ended, Machine, MachineEvent, Phase
from voxctl.realtime.messages import Unknown
from voxctl.realtime.models import DEFAULT_MODEL, EMBEDDED, VOXTRAL

CREATED = '{"type":"session.created","id":"s","created":1}'
TICK = b"\0\0" * 1280


def delta(text: str) -> str:
    return json.dumps({"type": "transcription.delta", "delta": text})


def done(text: str, completion: int) -> str:
    usage = {"prompt_tokens": 39, "completion_tokens": completion, "total_tokens": 39 + completion}
    return json.dumps({"type": "transcription.done", "text": text, "usage": usage})


def kinds(frames: list[str]) -> list[str]:
    """Return the kinds of client frames, the final commit told apart."""
    fields = [json.loads(frame) for frame in frames]
    return [f["type"].rsplit(".", 1)[-1] + ("!" if f.get("final") else "") for f in fields]


def accepted(model: str | None = "voxtral") -> Machine:
    machine = Machine(model)
    machine.receive(CREATED)
    machine.to_send()
    return machine


def ended(events: list[MachineEvent]) -> Ended:
    last = events[-1]
    assert isinstance(last, Ended)
    return last


def test_the_order_is_update_append_commit_appends_final_commit() -> None:
    machine = Machine("m")
    assert machine.to_send() == []
    machine.receive(CREATED)
    machine.feed(TICK)
    machine.feed(TICK)
    machine.finish()
    assert kinds(machine.to_send()) == ["update", "append", "commit", "append", "commit!"]
    assert machine.to_send() == []


def test_the_first_message_opens_the_session() -> None:
    assert Machine("m").receive(CREATED) == [Opened("m", None)]


def test_without_a_model_the_servers_own_is_taken_and_its_facts_with_it() -> None:
    machine = Machine()
    created = '{"type":"session.created","id":"s","voxctl":{"engine":"pocketsphinx","model":"pocketsphinx"}}'
    assert machine.receive(created) == [Opened("pocketsphinx", "pocketsphinx")]
    assert machine.facts is EMBEDDED
    assert json.loads(machine.to_send()[0])["model"] == "pocketsphinx"


def test_without_any_name_the_model_is_voxtral() -> None:
    machine = Machine()
    machine.receive(CREATED)
    assert machine.model == DEFAULT_MODEL and machine.facts is VOXTRAL


def test_a_model_that_was_asked_for_is_not_replaced() -> None:
    machine = Machine("mine")
    machine.receive('{"type":"session.created","voxctl":{"model":"theirs"}}')
    assert machine.model == "mine"


def test_nothing_is_sent_for_an_utterance_without_audio() -> None:
    machine = accepted()
    assert machine.finish() == [Ended(True, Usage(), None)]
    assert machine.to_send() == []


@pytest.mark.parametrize("wrong", ["feed_before_created", "feed_after_finish", "finish_twice", "feed_after_done"])
def test_misuse_that_servers_answer_with_silence_is_impossible(wrong: str) -> None:
    machine = Machine("m") if wrong == "feed_before_created" else accepted()
    if wrong != "feed_before_created":
        machine.feed(TICK)
        machine.finish()
    if wrong == "feed_after_done":
        machine.receive(done("", 0))
    with pytest.raises(RuntimeError, match="cannot"):
        machine.finish() if wrong == "finish_twice" else machine.feed(TICK)


@pytest.mark.parametrize("pcm", [b"", b"abc"])
def test_audio_a_server_would_drop_is_never_sent(pcm: bytes) -> None:
    with pytest.raises(ValueError, match="chunk"):
        accepted().feed(pcm)


def test_deltas_acknowledge_audio() -> None:
    machine = accepted()
    for _ in range(20):
        machine.feed(TICK)
    assert machine.unacked_s == pytest.approx(1.6)
    assert machine.receive(delta("")) == [Acknowledged(blank=True)]
    assert machine.unacked_s == pytest.approx(1.52)


def test_a_word_and_the_tail_come_as_events() -> None:
    machine = accepted()
    for _ in range(20):
        machine.feed(TICK)
    assert machine.receive(delta(" one")) == [Tail(" one"), Acknowledged()]
    words, tail, _ = machine.receive(delta(" two"))
    assert isinstance(words, Words) and words.text == " one"
    assert tail == Tail(" two")


def run_to_end(n_samples: int, n_deltas: int, finish: bool = True) -> list[MachineEvent]:
    machine = accepted()
    machine.feed(b"\0\0" * n_samples)
    if finish:
        machine.finish()
    for _ in range(n_deltas):
        machine.receive(delta(""))
    return machine.receive(done("", n_deltas))


@given(st.integers(1, 16_000 * 60))
def test_a_done_with_the_lawful_count_is_the_end(n_samples: int) -> None:
    lawful = VOXTRAL.deltas_for(n_samples)
    assert ended(run_to_end(n_samples, lawful)) == Ended(True, Usage(39, lawful), None)


def test_a_done_that_comes_short_is_the_end_of_the_context() -> None:
    assert ended(run_to_end(32_000, VOXTRAL.deltas_for(32_000) - 1)).complete is False


def test_a_done_nobody_asked_for_is_the_end_of_the_context() -> None:
    assert ended(run_to_end(32_000, VOXTRAL.deltas_for(32_000), finish=False)).complete is False


def test_the_tail_is_committed_at_the_end_and_no_word_ends_after_the_audio() -> None:
    machine = accepted()
    machine.feed(b"\0\0" * 16_000)
    machine.finish()
    for _ in range(22):
        machine.receive(delta(""))
    machine.receive(delta(" bye"))
    words, tail, end = machine.receive(done(" bye", 23))
    assert isinstance(words, Words) and words.words[0].end_s == 1.0
    assert tail == Tail("") and isinstance(end, Ended) and end.complete


def test_a_final_text_that_differs_from_the_deltas_is_said() -> None:
    machine = accepted()
    machine.feed(TICK)
    machine.finish()
    machine.receive(delta(" one"))
    notices = [e for e in machine.receive(done("something else", 1)) if isinstance(e, Notice)]
    assert len(notices) == 1 and "differs" in notices[0].text


def test_words_that_come_in_the_final_text_only_are_kept() -> None:
    machine = accepted()
    machine.feed(b"\0\0" * 16_000)
    machine.finish()
    machine.receive(delta(" one"))
    events = machine.receive(done(" one two three", 23))
    assert "".join(e.text for e in events if isinstance(e, Words)) == " one two"
    ended = events[-1]
    assert isinstance(ended, Ended) and not ended.complete, "so few deltas are those of a context that ended"
    assert ended.fragment and ended.fragment.text == " three", "which may be half a word"
    assert next(e.text for e in events if isinstance(e, Notice)).startswith("the last words")


def test_lost_deltas_are_noticed_by_the_servers_count() -> None:
    machine = accepted()
    machine.feed(b"\0\0" * 1280)
    machine.finish()
    for _ in range(11):
        machine.receive(delta(""))
    notices = [e for e in machine.receive(done("", 12)) if isinstance(e, Notice)]
    assert len(notices) == 1 and "12 tokens" in notices[0].text


def test_confidence_is_passed_on_when_an_engine_has_one() -> None:
    machine = accepted()
    machine.feed(TICK)
    machine.finish()
    text = '{"type":"transcription.done","text":"","voxctl":{"confidence":0.5}}'
    assert ended(machine.receive(text)).confidence == 0.5


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("model_not_found", ModelNotFound),
        ("model_not_validated", ModelNotValidated),
        ("invalid_audio", InvalidAudio),
        ("processing_error", ProcessingError),
        ("invalid_json", RequestRejected),
        ("invalid_event", RequestRejected),
        ("unknown_event", RequestRejected),
        ("server_full", ServerFull),
        ("never_heard_of", ServerError),
    ],
)
def test_each_server_error_is_an_error_of_ours(code: str, kind: type[ServerError]) -> None:
    with pytest.raises(ServerError) as caught:
        accepted("my-model").receive(json.dumps({"type": "error", "error": "its words", "code": code}))
    assert type(caught.value) is kind
    assert caught.value.code == code and "its words" in caught.value.message and caught.value.hint
    assert code in FAULTS or kind is ServerError


def test_a_wrong_model_is_named() -> None:
    with pytest.raises(ModelNotFound, match="my-model"):
        accepted("my-model").receive('{"type":"error","error":"x","code":"model_not_found"}')


def test_an_unknown_message_is_kept_and_harms_nothing() -> None:
    machine = accepted()
    raw = '{"type":"session.updated"}'
    assert machine.receive(raw) == [Unknown("session.updated", raw)]
    assert machine.phase is Phase.SENDING


@pytest.mark.parametrize("frame", [delta("x"), done("x", 1)])
def test_text_before_any_audio_is_a_protocol_error(frame: str) -> None:
    with pytest.raises(ProtocolError):
        accepted().receive(frame)


class AnyUse(RuleBasedStateMachine):
    """Whatever is called in whatever order, what goes out is lawful."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine("voxtral")
        self.sent: list[str] = []

    @rule()
    def created(self) -> None:
        self.machine.receive(CREATED)

    @rule(n=st.integers(1, 4000))
    def feed(self, n: int) -> None:
        if self.machine.phase is Phase.SENDING:
            self.machine.feed(b"\0\0" * n)
        else:
            with pytest.raises(RuntimeError):
                self.machine.feed(b"\0\0" * n)

    @rule()
    def finish(self) -> None:
        if self.machine.phase is Phase.SENDING:
            self.machine.finish()
        else:
            with pytest.raises(RuntimeError):
                self.machine.finish()

    @precondition(lambda self: self.machine.n_samples_sent and self.machine.phase is not Phase.ENDED)
    @rule(text=st.sampled_from(["", " a", "b", " c d"]))
    def answer(self, text: str) -> None:
        self.machine.receive(delta(text))

    @precondition(lambda self: self.machine.n_samples_sent and self.machine.phase is not Phase.ENDED)
    @rule()
    def end(self) -> None:
        assert self.machine.receive(done("", self.machine.n_deltas))

    @invariant()
    def what_is_sent_is_lawful(self) -> None:
        self.sent += kinds(self.machine.to_send())
        order = ["update", "append", "commit", *["append"] * len(self.sent)]
        body = self.sent[:-1] if self.sent[-1:] == ["commit!"] else self.sent
        assert body == order[: len(body)]
        assert self.sent.count("commit!") <= 1 and (len(body) >= 3 or self.sent == body)

    @invariant()
    def the_counters_are_sane(self) -> None:
        assert 0 <= self.machine.acked_s <= self.machine.sent_s


TestAnyUse = AnyUse.TestCase
TestAnyUse.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
