"""What pool lets in, what it leaves out and why, and that simulated answers stay apart."""

import json
from pathlib import Path

import pytest
from blind import SMALL, STRENGTHS, answered_by_two, small
from hypothesis import given, settings
from hypothesis import strategies as st

from drum_qtuner.answers import FIELDS, MAX_FILE, answer_line, pool, read_answer
from drum_qtuner.preferences import counts, strengths
from drum_qtuner.rehearsal import rehearse
from drum_qtuner.reliability import consistency


@pytest.fixture
def folder(tmp_path) -> Path:
    "The answers of two people."
    return answered_by_two(tmp_path)


N = len(SMALL.trials("ann"))


def test_pool_names_models_and_kinds(folder):
    answers, rejected = pool(folder)
    assert rejected.empty and len(answers) == 2 * N and not answers["simulated"].any()
    assert answers["kind"].value_counts().to_dict() == dict(pair=12, repeat=4, practice=2)
    for row in answers.itertuples():
        place = {beat["id"]: SMALL.models[beat["model"]] for beat in SMALL.beats}
        assert (place[row.first_beat], place[row.second_beat]) == (row.first, row.second)


def test_pool_merges_copies_and_rejects_a_second_person_of_the_same_name(folder):
    before, _ = pool(folder)
    text = (folder / "rater-ann.jsonl").read_text()
    (folder / "rater-ann (1).jsonl").write_text(
        "".join(text.splitlines(True)[:4])
    )  # saved halfway, too
    answers, rejected = pool(folder)
    assert answers.equals(before) and rejected.empty
    (folder / "z.jsonl").write_text(text.replace('"first",', '"second",'))
    answers, rejected = pool(folder)
    assert answers.equals(before) and rejected["reason"].str.contains(
        "differently in rater-ann.jsonl: two people with one nickname"
    ).tolist() == [True]


def test_a_folder_for_each_listener_counts_as_well(folder):
    "Nobody is left out without a word; the key is beside the others."
    before, _ = pool(folder)
    (folder / "a/b").mkdir(parents=True)
    (folder / "rater-ann.jsonl").rename(folder / "a/b/rater-ann.jsonl")
    answers, rejected = pool(folder)
    assert answers.equals(before) and rejected.empty


def test_of_a_file_of_many_only_the_disputed_listener_is_left_out(folder):
    text = (folder / "rater-ann.jsonl").read_text().replace('"first",', '"second",') + (
        folder / "rater-bob.jsonl"
    ).read_text()
    (folder / "rater-bob.jsonl").unlink()
    (folder / "the class.jsonl").write_text(text)
    answers, rejected = pool(folder)
    assert answers.groupby("rater").size().to_dict() == dict(ann=N, bob=N) and rejected[
        "reason"
    ].str.startswith("ann answers trial 0 differently").tolist() == [True]


def test_what_mail_and_editors_do_to_a_file_is_forgiven(folder):
    before, _ = pool(folder)
    text = (folder / "rater-ann.jsonl").read_text()
    (folder / "rater-ann.jsonl").unlink()
    (folder / "rater-ann.jsonl.txt").write_bytes(
        b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n\r\n"
    )
    answers, rejected = pool(folder)
    assert answers.equals(before) and rejected.empty


WRONG = {
    "not JSON": lambda row: "{",
    "fields must be": lambda row: json.dumps(row | {"name": "Ann Smith"}),
    "of another test": lambda row: json.dumps(row | {"test": "0"}),
    "is not a nickname": lambda row: json.dumps(row | {"rater": "Ann"}),
    "trial is True": lambda row: json.dumps(row | {"trial": True}),
    "is another pair": lambda row: json.dumps(
        row | {"first": row["second"], "second": row["first"]}
    ),
    "cannot be answered with": lambda row: json.dumps(row | {"answer": "none"}),
    "plays is [1000000": lambda row: json.dumps(row | {"plays": [10**300, 1]}),
    "seconds is 1000000": lambda row: json.dumps(row | {"seconds": 10**400}),
    "seconds is True": lambda row: json.dumps(row | {"seconds": True}),
    "trial 99": lambda row: json.dumps(row | {"trial": 99}),
    "trial -1": lambda row: json.dumps(row | {"trial": -1}),
    "longer than any": lambda row: json.dumps(row) + " " * 2000,
    "both beats must be heard": lambda row: json.dumps(row | {"plays": [0, 1]}),
    "rater is ['ann']": lambda row: json.dumps(row | {"rater": ["ann"]}),
    "seconds is None": lambda row: json.dumps(row | {"seconds": None}),
    "seconds is nan": lambda row: json.dumps(row | {"seconds": float("nan")}),
    "an answer: its": lambda row: "[" * 900,
    "a second time": (
        lambda row: (
            json.dumps(row | {"trial": 0})
            + "\n"
            + json.dumps(row | {"trial": 0, "answer": "second"})
        )
    ),
}


@pytest.mark.parametrize("reason", WRONG)
def test_pool_rejects_a_line_and_says_why(folder, reason):
    row = json.loads((folder / "rater-ann.jsonl").read_text().splitlines()[0])
    (folder / "rater-ann.jsonl").unlink()
    (folder / "bad.jsonl").write_text(WRONG[reason](row) + "\n")
    answers, rejected = pool(folder)
    if reason == "an answer: its":
        reason = "not JSON"
    assert len(answers) == N + (reason == "a second time") and rejected["reason"].str.contains(
        reason, regex=False
    ).tolist() == [True]
    assert rejected["reason"].str.len().max() < 200


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(list(FIELDS)) | st.text(), inner)
        ),
    ),
    st.sampled_from(list(FIELDS)),
)
@settings(deadline=None)
def test_no_line_breaks_pool(value, field):
    row = json.loads(answer_line(SMALL, "ann", 0, "first"))
    for text in (json.dumps(value), json.dumps(row | {field: value})):
        try:
            accepted = read_answer(text, SMALL)
        except ValueError:
            continue
        assert accepted["rater"] == "ann" and accepted["trial"] == 0


def test_pool_refuses_what_it_cannot_judge(folder, tmp_path_factory):
    with pytest.raises(ValueError, match="no answers"):
        pool(tmp_path_factory.mktemp("empty"))
    with pytest.raises(ValueError, match="not the key"):
        pool(folder / "rater-ann.jsonl", key=folder / "rater-ann.jsonl")
    (folder / "x.jsonl").write_bytes(b"\xff\xfe")
    assert pool(folder)[1]["reason"].str.contains("cannot be read").tolist() == [True]
    (folder / "x.jsonl").write_bytes(b"x" * (MAX_FILE + 1))
    assert pool(folder)[1]["reason"].str.contains("larger than").tolist() == [True]
    (folder / "x.jsonl").write_bytes(b"\n")
    assert pool(folder)[1]["reason"].tolist() == ["holds no answers"]
    (folder / "x.jsonl").unlink(), (folder / "x.jsonl").mkdir()
    assert pool(folder)[1]["reason"].str.contains("cannot be read").tolist() == [True]
    assert (
        pool([folder / "rater-ann.jsonl"], small(seed=1))[1]["reason"]
        .str.contains("of another test")
        .all()
    )
    assert len(pool([folder / "rater-ann.jsonl", folder / "missing.jsonl"])[1]) == 1
    for text in ("{}", "[]", "5", '{"models": 5}', "[" * 100_000, '{"models": ['):
        (folder / "key.json").write_text(text)
        with pytest.raises(ValueError, match="not the key of a listening test"):
            pool(folder)


def test_simulated_answers_stay_marked_and_apart(folder):
    rehearse(SMALL, STRENGTHS, ["robot1", "robot2"], folder)
    with pytest.raises(ValueError, match="simulated"):
        pool(folder)
    mixed, _ = pool(folder, mix=True)
    assert mixed.groupby("rater")["simulated"].all().to_dict() == dict(
        ann=False, bob=False, robot1=True, robot2=True
    )
    for table in (counts(mixed), strengths(mixed, draws=20), consistency(mixed)):
        assert "SIMULATED" in table.index.name
    for table in (counts(mixed[~mixed["simulated"]]), consistency(mixed[~mixed["simulated"]])):
        assert "SIMULATED" not in table.index.name
