from hypothesis import given, settings
from hypothesis import strategies as st

from automl.runs.events import append_event, read_events


@settings(deadline=None, max_examples=40)
@given(cut=st.integers(0, 200))
def test_a_log_cut_at_any_byte_keeps_a_prefix_and_takes_new_events(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    for number in range(3):
        append_event(path, {"event": "tick", "number": number})
    path.write_bytes(path.read_bytes()[:cut])
    before = [event["number"] for event in read_events(path)]
    assert before == list(range(len(before)))
    append_event(path, {"event": "tick", "number": 99})
    assert [event["number"] for event in read_events(path)] == [*before, 99]


def test_no_log_means_no_events(tmp_path):
    assert read_events(tmp_path / "absent.jsonl") == []
