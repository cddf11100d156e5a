"""The listening test without a browser: its design, its files, what pool lets in, and the analysis on listeners whose taste is known."""

import json
import os
import subprocess
import sys
from pathlib import Path

import choix
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from drum_qtuner import listening
from drum_qtuner.beat import REST, Beat
from drum_qtuner.evaluation import PREFERRED, preference_test
from drum_qtuner.listening import *  # noqa: F403
from drum_qtuner.sound import render


def some_beats(n: int, seed: int) -> list[Beat]:
    return [
        Beat.from_classes(row) for row in np.random.default_rng(seed).integers(10, size=(n, 16))
    ]


def small(**options) -> Design:
    "Two models and the anchors, short and fast."
    return design(
        {"secret one": some_beats(3, 1), "secret two": some_beats(3, 2)},
        **dict(human=some_beats(3, 3), beats=3, bpm=480, sheets=16) | options,
    )


SMALL = small()
STRENGTHS = dict(zip(SMALL.models, (1.0, -0.5, -1.5, 1.0)))


# --- design


@pytest.mark.parametrize("rounds", [1, 2])
def test_each_sheet_is_balanced(rounds):
    models = {f"m{i}": some_beats(4, i) for i in range(3)}
    plan = design(models, some_beats(4, 9), beats=4, rounds=rounds, repeats=3, sheets=20)
    owner = [beat["model"] for beat in plan.beats]
    orders = set()
    for sheet in plan.sheets:
        practice, *trials = sheet
        assert {owner[i] for i in practice[:2]} == {3, 4} and practice[2] == 0  # the anchors
        again = [i for i, trial in enumerate(trials) if trial[2]]
        pairs = [[owner[i] for i in trial[:2]] for i, trial in enumerate(trials) if i not in again]
        assert len(again) == 3 and all(
            i - trials.index([second, first, 0]) >= len(trials) // 4
            for i, (first, second, _) in enumerate(trials)
            if i in again
        )
        met = pd.Series([tuple(sorted(pair)) for pair in pairs]).value_counts()
        assert len(met) == 10 and (met == rounds).all()
        first = np.bincount([pair[0] for pair in pairs], minlength=5)
        assert (first == 2 * rounds).all()
        heard = np.bincount(
            np.array([trials[i][:2] for i in range(len(trials)) if i not in again]).ravel(),
            minlength=len(owner),
        )
        for model in range(5):
            assert np.ptp(heard[[i for i in range(len(owner)) if owner[i] == model]]) <= 1 + (
                model > 2
            )  # practice took one
        orders.add(str(sheet))
    assert len(orders) == 20


def test_same_seed_same_test_whatever_the_process():
    code = "import test_listening as t; print(t.small().test)"
    there = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env=dict(os.environ, PYTHONHASHSEED="7"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == SMALL.test != small(seed=1).test


def test_every_beat_is_one_tempo_one_touch_and_equally_loud():
    import pyloudnorm

    human = Beat(
        np.eye(16, 9, dtype=int) * 90 + np.eye(16, 9, 1, dtype=int) * 20, np.full((16, 9), 0.2), 77
    )
    plan = small(human=[human] * 3)
    assert {beat["bpm"] for beat in plan.beats} == {480} and {
        note[2] for beat in plan.beats for note in beat["notes"]
    } == {100}
    assert {note[3] for beat in plan.beats for note in beat["notes"]} == {0}
    slow = design(
        {
            "silence and one": [
                Beat.from_classes([REST] * 16),
                Beat.from_classes([7] + [REST] * 15),
            ],
            "many": some_beats(2, 0),
        },
        some_beats(2, 1),
        beats=2,
    )
    levels = []
    for beat in slow.beats:
        classes = np.full(beat["steps"], REST)
        for step, drum, *_ in beat["notes"]:
            classes[step] = drum
        sound = beat["gain"] * render(Beat.from_classes(classes, beat["bpm"])).astype(float)
        assert np.abs(sound).max() <= 1
        if sound.any():
            levels.append(pyloudnorm.Meter(44_100).integrated_loudness(sound))
        else:
            assert beat["gain"] == 1
    assert len(levels) == 7 and np.ptp(levels) < 0.01


def test_all_beats_are_equally_long():
    assert {beat["steps"] for beat in SMALL.beats} == {16}
    with pytest.raises(ValueError, match="these have 16, 32 steps"):
        small(human=[Beat.from_classes([0] * 32)])


def test_a_program_is_not_called_a_drummer_in_silence(monkeypatch, capsys):
    real = listening.load_clips
    monkeypatch.setattr(listening, "load_clips", lambda **options: real("starter", **options))
    design({"a": [Beat.from_classes([0] * 32)]}, beats=1, sheets=1)
    assert "'human' is no drummer here" in capsys.readouterr().out


def test_bad_designs_are_refused_with_a_reason():
    for wrong, reason in (
        (dict(models={}), "at least one"),
        (dict(models=some_beats(1, 0)), "models is a dict"),
        (dict(models={"random": some_beats(1, 0)}), "taken by the anchors"),
        (dict(models={"a": []}), "a: give a model"),
        (dict(models={"a": [1]}), "a: give a model"),
        (dict(rounds=0), "at least 1"),
        (dict(repeats=2), "at most 1 of 3"),
        (dict(bpm=0), "bpm must be"),
    ):
        with pytest.raises(ValueError, match=reason):
            design(**dict(models={"a": some_beats(2, 0)}, human=some_beats(2, 1), beats=2) | wrong)


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
        page.split("</script>")[0] + page.rsplit("drumQtuner.listeningPage", 1)[1]
    )  # all but the scripts that are the same for all tests
    for name in (*SMALL.models, "model"):
        assert name not in told
    assert load_key(tmp_path / "test.key.json").test == SMALL.test
    place = [[beat["model"] for beat in small(seed=seed).beats] for seed in range(20)]
    assert (
        abs(np.mean(place, 0) - 1.5).max() < 1.2 and sorted(place[0]) != place[0]
    )  # the order of beats says nothing


# --- nicknames and files


@given(st.text(max_size=30))
@settings(deadline=None)
def test_a_nickname_stays_in_its_folder(text):
    try:
        nickname = check_nickname(text)
    except ValueError as error:
        assert "up to 24" in str(error)
    else:
        path = Path("folder") / f"rater-{nickname}.jsonl"
        assert (
            path.parent == Path("folder")
            and nickname.isascii()
            and nickname == nickname.lower()
            and check_nickname(nickname) == nickname
        )


def test_every_answer_is_on_the_disk_before_it_is_confirmed(tmp_path, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda number: (synced.append(os.fstat(number).st_size), real(number))
    )
    test = ListeningTest(SMALL, tmp_path)
    sizes = []
    for trial in range(3):
        assert test.reply(
            dict(
                id=0,
                ask="answer",
                nickname="ann",
                trial=trial,
                answer="first",
                plays=[1, 1],
                seconds=1,
            )
        ) == dict(id=0, done=trial + 1)
        sizes.append(test.path("ann").stat().st_size)
    assert synced == sizes


def test_goes_on_after_a_crash_in_the_middle_of_a_line(tmp_path):
    def give(test, trial):
        return test.reply(
            dict(
                id=0,
                ask="answer",
                nickname="ann",
                trial=trial,
                answer="second",
                plays=[1, 1],
                seconds=1,
            )
        )

    test = ListeningTest(SMALL, tmp_path)
    for trial in range(3):
        give(test, trial)
    whole = test.path("ann").read_bytes()
    for cut in range(len(whole) - 40, len(whole)):
        test.path("ann").write_bytes(whole[:cut])
        test = ListeningTest(SMALL, tmp_path)  # a new kernel
        done = test.reply(dict(id=0, ask="start", nickname="ann"))["done"]
        assert done == (3 if cut == len(whole) - 1 else 2)
        for trial in range(done, len(SMALL.trials("ann"))):
            give(test, trial)
        answers, rejected = pool(tmp_path)
        assert answers["trial"].tolist() == list(range(len(SMALL.trials("ann")))) and len(
            rejected
        ) == (done == 2)


def test_an_answer_cannot_be_given_twice_nor_ahead(tmp_path):
    test = ListeningTest(SMALL, tmp_path)

    def give(trial, answer):
        return test.reply(
            dict(
                id=0,
                ask="answer",
                nickname="ann",
                trial=trial,
                answer=answer,
                plays=[1, 1],
                seconds=1,
            )
        )

    give(0, "first"), give(0, "second"), give(5, "first")
    assert [json.loads(line)["answer"] for line in test.path("ann").read_text().splitlines()] == [
        "first"
    ]
    assert "cannot be answered" in give(1, "none")["error"]
    assert (
        "Pair 1 is no longer in"
        in test.reply(dict(id=0, ask="answer", nickname="ann", trial=5, answer="first"))["error"]
    )
    for wrong in (
        dict(plays=[0, 1]),
        dict(plays="x"),
        dict(seconds=float("nan")),
        dict(seconds="1"),
        dict(trial=True),
    ):
        assert "error" in test.reply(
            dict(
                id=0,
                ask="answer",
                nickname="ann",
                **dict(trial=1, answer="first", plays=[1, 1], seconds=1) | wrong,
            )
        ), wrong
    assert len(test.path("ann").read_text().splitlines()) == 1
    assert "error" in test.reply(dict(id=0, ask="answer", nickname="ann"))
    assert "up to 24" in test.reply(dict(id=0, ask="start", nickname="a/b"))["error"]


def test_goes_on_where_a_line_was_taken_out(tmp_path):
    def give(trial):
        return test.reply(
            dict(
                id=0,
                ask="answer",
                nickname="ann",
                trial=trial,
                answer="second",
                plays=[1, 1],
                seconds=1,
            )
        )["done"]

    test = ListeningTest(SMALL, tmp_path)
    for trial in range(5):
        give(trial)
    lines = test.path("ann").read_text().splitlines(True)
    test.path("ann").write_text("".join([*lines[:2], "[" * 100_000 + "\n", *lines[3:]]))
    assert test.answered("ann") == 2 and give(2) == 5
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


# --- pool


@pytest.fixture
def folder(tmp_path) -> Path:
    "The answers of two people."
    for nickname in ("ann", "bob"):
        test = ListeningTest(SMALL, tmp_path)
        for trial in range(len(SMALL.trials(nickname))):
            test.reply(
                dict(
                    id=0,
                    ask="answer",
                    nickname=nickname,
                    trial=trial,
                    answer=("first", "second")[trial % 2],
                    plays=[1, 2],
                    seconds=3.5,
                )
            )
    return tmp_path


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
            st.lists(inner)
            | st.dictionaries(st.sampled_from(list(listening.FIELDS)) | st.text(), inner)
        ),
    ),
    st.sampled_from(list(listening.FIELDS)),
)
@settings(deadline=None)
def test_no_line_breaks_pool(value, field):
    row = json.loads(answer_line(SMALL, "ann", 0, "first"))
    for text in (json.dumps(value), json.dumps(row | {field: value})):
        try:
            accepted = listening._read_answer(text, SMALL)
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
    (folder / "x.jsonl").write_bytes(b"x" * (listening.MAX_FILE + 1))
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


# --- analysis


def table(won, each=1) -> pd.DataFrame:
    "Answers of as many listeners as there are matrices: how often row was preferred to column."
    rows = [
        dict(
            rater=f"r{r}",
            kind="pair",
            first=f"m{a}",
            second=f"m{b}",
            answer="first",
            simulated=True,
        )
        for r, own in enumerate(won)
        for a, b in np.argwhere(own)
        for _ in range(int(own[a, b]))
    ]
    return pd.DataFrame(rows)


def published() -> np.ndarray:
    "Some pair-by-pair counts that give the published ones, each pair having met ten times."
    first, second = np.triu_indices(6, 1)
    rows = np.array([[1.0 * (first == i) - (second == i)] for i in range(6)]).squeeze()
    wanted = np.array(list(PREFERRED.values())) - [10 * (second == i).sum() for i in range(6)]
    found = milp(
        np.zeros(15),
        constraints=LinearConstraint(rows, wanted, wanted),
        bounds=Bounds(0, 10),
        integrality=np.ones(15),
    ).x.round()
    won = np.zeros((6, 6))
    won[first, second], won[second, first] = found, 10 - found
    return won


def test_the_published_counts():
    answers = table([published()])
    counted = counts(answers)
    assert (counted["compared"] == 50).all() and sorted(counted["preferred"]) == sorted(
        PREFERRED.values()
    )
    assert preference_test(counted["preferred"].to_dict()).statistic == pytest.approx(
        62.32, abs=1e-9
    )
    maximum = choix.ilsr_pairwise_dense(
        published()
    )  # with balanced pairs the counts are all that it looks at
    assert maximum[0] - maximum[3] == pytest.approx(0.98, abs=0.005)
    fitted = bradley_terry(published())
    assert 0.85 < fitted[0] - fitted[3] < 0.98  # the extra votes pull together


def test_strengths_agree_with_choix_also_where_one_always_wins():
    random = np.random.default_rng(0)
    for models, scale, each in ((2, 1, 1), (6, 1, 10), (8, 5, 3), (12, 3, 200)):
        strength = scale * random.standard_normal((20, models))
        won = np.triu(
            random.binomial(each, 1 / (1 + np.exp(strength[:, None] - strength[:, :, None]))), 1
        )
        won = won + np.tril(each - won.swapaxes(1, 2), -1)
        for one, found in zip(won, bradley_terry(won)):
            expected = choix.ilsr_pairwise_dense(one + 0.1 * (1 - np.eye(models)), max_iter=10_000)
            assert found == pytest.approx(expected - expected.mean(), abs=1e-4)


def test_strengths_agree_with_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    won = np.random.default_rng(0).integers(1, 9, (5, 5)) * (1 - np.eye(5))
    a, b = np.argwhere(won).T
    x = np.eye(5)[a] - np.eye(5)[b]
    weight = won[a, b] + 0.1
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000).fit(
        np.r_[x, -x], np.r_[np.ones(20), np.zeros(20)], np.r_[weight, weight]
    )
    assert bradley_terry(won) == pytest.approx(model.coef_[0] - model.coef_[0].mean(), abs=1e-4)


def test_ties_are_half_a_vote_each():
    answers = table([np.array([[0, 1], [0, 0]])] * 2)
    answers.loc[1, "answer"] = "none"
    assert counts(answers)["preferred"].to_dict() == dict(m0=1.5, m1=0.5)


@pytest.mark.parametrize("analysis", [counts, strengths, consistency, agreement, wins])
def test_nothing_judged_is_said_so(analysis, folder):
    answers, _ = pool(folder)
    for none in (answers[:0], answers[answers["kind"] == "practice"]):
        with pytest.raises(ValueError, match="nobody has judged a pair"):
            analysis(none)


def test_all_ties_tell_nothing(tmp_path):
    plan = small(ties=True)
    rehearse(plan, STRENGTHS, ["a", "b", "c"], tmp_path, doubt=1e9)
    answers, _ = pool(tmp_path)
    assert (
        (answers["answer"] == "none").all()
        and (counts(answers)["share"] == 0.5).all()
        and (consistency(answers)["repeats_same"] == 1).all()
    )
    found = strengths(answers)
    assert (
        (found["strength"].abs() < 1e-9).all()
        and (found["low"] < -0.5).all()
        and (found["high"] > 0.5).all()
    )
    assert consistency(answers)["circles"].isna().all()
    with pytest.raises(ValueError, match="and a preference"):
        agreement(answers)


@given(st.integers(2, 9), st.integers(0, 2**32 - 1), st.integers(0, 6))
@settings(deadline=None)
def test_strengths_are_finite_and_a_maximum_whatever_the_counts(models, seed, digits):
    random = np.random.default_rng(seed)
    each = 10**digits
    won = random.choice(
        [
            random.integers(0, each + 1, (models, models)),
            each * np.triu(np.ones((models, models))),
            each * np.eye(models, k=1),
        ]
    ) * (1 - np.eye(models))
    found = bradley_terry(won)
    votes = won + listening.PRIOR * (1 - np.eye(models))
    expected = (votes + votes.T) / (1 + np.exp(found - found[:, None]))
    assert (
        np.isfinite(found).all()
        and abs(found.sum()) < 1e-6
        and np.abs(votes.sum(1) - expected.sum(1)).max() < 1e-6 * (1 + each)
    )


def test_counts_that_are_none_are_refused():
    for wrong in ([[0, -1], [1, 0]], [[0, np.nan], [1, 0]], [[0, 1]], 3):
        with pytest.raises(ValueError, match="square of counts"):
            bradley_terry(wrong)
    with pytest.raises(ValueError, match="lacks m1"):
        wins(table([np.array([[0, 1], [0, 0]])]), ["m0"])
    with pytest.raises(ValueError, match="lacks human, random"):
        rehearse(SMALL, {"secret one": 1, "secret two": 2}, ["a"], "never made")


def test_unison_is_not_certainty():
    always = strengths(table([np.array([[0, 1], [0, 0]])] * 5), against="m1").loc["m0"]
    p = (
        5.1 / 5.2
    )  # with the extra votes; two models: the variance of the difference is 1 / (votes p (1 - p))
    half = 1.959964 / np.sqrt(5.2 * p * (1 - p))
    assert (
        always.tolist()
        == pytest.approx([np.log(51), np.log(51) - half, np.log(51) + half], abs=1e-4)
        and always["low"] < 0
    )
    held = coverage([4, 0, -4], raters=5, spread=0, classes=200, draws=50)
    assert held["listeners"] > 0.93 > 0.5 > held["without_floor"]


def test_known_strengths_are_recovered(tmp_path):
    plan = small(rounds=4, ties=True)
    rehearse(plan, STRENGTHS, [f"robot{i}" for i in range(80)], tmp_path)
    found = strengths(pool(tmp_path)[0], draws=60)
    true = pd.Series(STRENGTHS)
    assert (found["strength"] - true).abs().max() < 0.25 and found["high"].sub(
        found["low"]
    ).max() < 0.8
    against = strengths(pool(tmp_path)[0], against="human", draws=60)
    assert against.loc["human"].tolist() == [0, 0, 0] and against.loc["random", "high"] < 0
    with pytest.raises(ValueError, match="nobody heard"):
        strengths(pool(tmp_path)[0], against="nobody")


def test_intervals_keep_their_promise():
    held = coverage([1, 0.3, -0.3, -1], raters=8, spread=1.2, classes=300, draws=100)
    assert 0.92 < held["listeners"] <= 1
    assert (
        held["without_floor"] <= held["listeners"]
        and held["listeners_percentile"] < held["listeners"]
        and held["votes_percentile"] < 0.93
    )


def test_one_listener_has_no_interval_and_agrees_with_nobody():
    for analysis in (strengths, agreement):
        with pytest.raises(ValueError, match="two listeners"):
            analysis(table([published()]))


def test_consistency_of_listeners_who_are_known(folder):
    answers, _ = pool(folder)
    own = answers[answers["rater"] == "ann"]
    order = consistency(
        answers.assign(answer=np.where(answers["first"] < answers["second"], "first", "second"))
    ).loc["ann"]  # by the alphabet
    assert order["circles"] == 0 and order["repeats_same"] == 1 and order["human_over_random"] == 1
    stubborn = consistency(answers.assign(answer="first")).loc["ann"]
    assert stubborn["first"] == 1 and stubborn["repeats_same"] == 0
    one = answers[
        (answers["rater"] == "bob") | (answers["kind"] == "practice")
    ]  # the other did not get further
    assert consistency(one).index.tolist() == ["bob"]
    assert stubborn["pairs"] == (own["kind"] == "pair").sum() and stubborn["seconds"] == 3.5


def test_agreement_is_one_in_unison_and_none_with_dice():
    unison = np.triu(np.ones((4, 4)), 1)
    assert agreement(table([unison] * 5)) == 1
    dice = np.random.default_rng(0)
    assert abs(agreement(table(simulate(np.zeros(6), 200, rng=dice)))) < 0.02
    gaps = [unison * (dice.random((4, 4)) < 0.8) for _ in range(6)]
    assert agreement(table(gaps)) == 1  # who left pairs out disagrees with nobody


def test_more_listeners_and_bigger_differences_are_found_oftener():
    few, many = plan(1, raters=(4, 16), rounds=(1,), models=4, classes=100)[1]
    more = plan(1, raters=(16,), rounds=(3,), models=4, classes=100).iloc[0, 0]
    nothing = plan(0, raters=(16,), rounds=(1,), models=4, classes=400).iloc[0, 0]
    assert few < many < more and 0.01 < nothing < 0.09
    for wrong in (dict(models=1), dict(raters=()), dict(raters=1), dict(rounds=0), dict(classes=0)):
        with pytest.raises(ValueError, match="at least 2 models"):
            plan(1, **wrong)
    assert plan(1, raters=4, rounds=1, models=4, classes=100).iloc[0, 0] == few
