"""What a step read beside its key: what is said of it when it is no more what it was."""

from mpforge.keys.walk import ABSENT
from mpforge.kinds.observed_reads import Observed, difference, key_with

READ = {"source:tests/a.c": "a" * 64, "host:/usr/include/x.h": "b" * 64, "host:/opt/y.h": ABSENT}


def test_a_difference_says_what_changed_appeared_or_went() -> None:
    assert difference(READ, READ) == ""
    assert difference({}, {}) == ""
    for name, now, said in (
        ("source:tests/a.c", "c" * 64, "it read the source's tests/a.c, which has changed"),
        ("host:/usr/include/x.h", "c" * 64, "it read /usr/include/x.h, which has changed"),
        ("host:/usr/include/x.h", ABSENT, "it read /usr/include/x.h, which is gone"),
        ("host:/opt/y.h", "c" * 64, "it looked for /opt/y.h, which has appeared"),
    ):
        assert difference(READ, {**READ, name: now}) == said


def test_each_state_of_what_was_read_has_a_key_of_its_own() -> None:
    other = {**READ, "host:/opt/y.h": "c" * 64}
    keys = {key_with("k", READ), key_with("k", other), key_with("l", READ), key_with("k", {})}
    assert len(keys) == 4
    assert key_with("k", dict(reversed(READ.items()))) == key_with("k", READ)


def test_who_can_tell_is_asked_when_the_programs_have_ended() -> None:
    observed, read = Observed(), dict[str, str]()
    observed.add(lambda: read)
    observed.add(lambda: {"host:/a": ABSENT})
    read["source:b"] = "b" * 64
    assert observed.reads == {}
    observed.settle()
    assert observed.reads == {"source:b": "b" * 64, "host:/a": ABSENT}
