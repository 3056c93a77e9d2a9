"""The replay buffer gives back exactly what it was given, from any place it still has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxctl.session.replay import Replay

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 50)),
        st.tuples(st.just("forget"), st.integers(-5, 400)),
        st.tuples(st.just("read"), st.integers(0, 400)),
    ),
    max_size=40,
)


@given(STEPS)
def test_it_is_a_window_onto_the_whole_sound(steps: list[tuple[str, int]]) -> None:
    replay, whole, forgotten = Replay(), b"", 0
    for what, n in steps:
        if what == "append":
            pcm = b"".join((len(whole) // 2 + k).to_bytes(2, "little") for k in range(n))
            replay.append(pcm)
            whole += pcm
        elif what == "forget":
            replay.forget(n)
            forgotten = max(forgotten, min(n, len(whole) // 2))
        elif forgotten <= n <= len(whole) // 2:
            assert replay.read(n, 7) == whole[2 * n : 2 * n + 14]
        else:
            with pytest.raises(IndexError):
                replay.read(n, 7)
    assert (replay.first, replay.end) == (forgotten, len(whole) // 2)
