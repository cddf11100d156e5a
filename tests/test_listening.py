"""The page and the widget of the listening test without a browser: what they hide and keep."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from blind import SMALL, STRENGTHS, give, small

from drum_qtuner import listening
from drum_qtuner.answers import answer_line, append_line, pool
from drum_qtuner.design import load_key
from drum_qtuner.listening import ListeningTest, listening_page
from drum_qtuner.rehearsal import rehearse


def test_page_hides_whose_a_beat_is(tmp_path):
    page = listening_page(SMALL, tmp_path / "test.html")
    data = json.loads(page.split('<script type="application/json">')[1].split("</script>")[0])
    assert {key for beat in data["beats"] for key in beat} == {
        "id",
        "gain",
        "steps",
        "bpm",
        "notes",
    }
    told = (
        page.split("</script>")[0] + page.rsplit(".listeningPage(document", 1)[1]
    )  # all but the scripts that are the same for all tests
    for name in (*SMALL.models, "model"):
        assert name not in told
    assert load_key(tmp_path / "test.key.json").test == SMALL.test
    place = [[beat["model"] for beat in small(seed=seed, sheets=1).beats] for seed in range(20)]
    assert (
        abs(np.mean(place, 0) - 1.5).max() < 1.2 and sorted(place[0]) != place[0]
    )  # the order of beats says nothing


def test_the_key_is_there_before_the_page(tmp_path, monkeypatch):
    written = []
    real = listening.write_file

    def write(path, data):
        written.append(Path(path).name)
        return real(path, data)

    monkeypatch.setattr(listening, "write_file", write)
    listening_page(SMALL, tmp_path / "test.html")
    assert written == ["test.key.json", "test.html"]


def test_every_answer_is_on_the_disk_before_it_is_confirmed(tmp_path, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda number: (synced.append(os.fstat(number).st_size), real(number))
    )
    test = ListeningTest(SMALL, tmp_path)
    sizes = []
    for trial in range(3):
        assert give(test, trial, "first") == dict(id=0, answer=dict(done=trial + 1))
        sizes.append(test.path("ann").stat().st_size)
    assert synced == sizes


def test_goes_on_after_a_crash_in_the_middle_of_a_line(tmp_path):
    test = ListeningTest(SMALL, tmp_path)
    for trial in range(3):
        give(test, trial)
    whole = test.path("ann").read_bytes()
    trials = len(SMALL.trials("ann"))
    for cut in range(len(whole) - 40, len(whole)):
        test.path("ann").write_bytes(whole[:cut])
        test = ListeningTest(SMALL, tmp_path)  # a new kernel
        done = test.reply(dict(id=0, ask="start", nickname="ann"))["answer"]["done"]
        assert done == (3 if cut == len(whole) - 1 else 2)
        for trial in range(done, trials):
            give(test, trial)
        answers, rejected = pool(tmp_path)
        assert answers["trial"].tolist() == list(range(trials))
        assert len(rejected) == (done == 2)


def test_an_answer_cannot_be_given_twice_nor_ahead(tmp_path):
    test = ListeningTest(SMALL, tmp_path)
    give(test, 0, "first"), give(test, 0, "second"), give(test, 5, "first")
    assert [json.loads(line)["answer"] for line in test.path("ann").read_text().splitlines()] == [
        "first"
    ]
    assert "cannot be answered" in give(test, 1, "none")["error"]
    ahead = test.reply(dict(id=0, ask="answer", nickname="ann", trial=5, answer="first"))
    assert "Pair 1 is no longer in" in ahead["error"]
    for wrong in (
        dict(plays=[0, 1]),
        dict(plays="x"),
        dict(seconds=float("nan")),
        dict(seconds="1"),
        dict(trial=True),
    ):
        assert "error" in give(test, **dict(trial=1, answer="first") | wrong), wrong
    assert len(test.path("ann").read_text().splitlines()) == 1
    assert "error" in test.reply(dict(id=0, ask="answer", nickname="ann"))
    assert "error" in test.reply(dict(id=0, ask="dance", nickname="ann"))
    assert "up to 24" in test.reply(dict(id=0, ask="start", nickname="a/b"))["error"]


def test_goes_on_where_a_line_was_taken_out(tmp_path):
    test = ListeningTest(SMALL, tmp_path)
    for trial in range(5):
        give(test, trial)
    lines = test.path("ann").read_text().splitlines(True)
    test.path("ann").write_text("".join([*lines[:2], "[" * 100_000 + "\n", *lines[3:]]))
    assert test.answered("ann") == 2 and give(test, 2)["answer"]["done"] == 5
    assert pool(tmp_path)[0]["trial"].tolist() == list(range(5))


def test_a_folder_holds_one_test_and_people_only(tmp_path):
    ListeningTest(SMALL, tmp_path).reply(dict(id=0, ask="start", nickname="ann"))
    with pytest.raises(ValueError, match="another test"):
        ListeningTest(small(seed=1), tmp_path)
    with pytest.raises(ValueError, match="another test"):
        rehearse(small(seed=1), STRENGTHS, ["robot"], tmp_path)
    line = answer_line(SMALL, "bob", 0, "first", simulated=True)
    append_line(tmp_path / "rater-bob.jsonl", line)
    append_line(tmp_path / "rater-cat.jsonl", "5")
    assert (
        "do not belong here"
        in ListeningTest(SMALL, tmp_path).reply(dict(id=0, ask="start", nickname="bob"))["error"]
    )
    assert (
        "do not belong here"
        in ListeningTest(SMALL, tmp_path).reply(dict(id=0, ask="start", nickname="cat"))["error"]
    )
    (tmp_path / "key.json").write_bytes(b"\xff")
    with pytest.raises(ValueError, match="another test"):
        ListeningTest(SMALL, tmp_path)


def test_where_nobody_watches_the_page_stands_in_for_the_widget():
    shown = ListeningTest(SMALL)._repr_mimebundle_()
    assert "listeningPage" in shown["text/html"] and not any("widget" in kind for kind in shown)
    assert not Path("listening").exists()
