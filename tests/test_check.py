"""Exercises answer: every one of the course, whatever a student's function does."""

import contextlib
import itertools
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from drum_qtuner.attempt import attempt
from drum_qtuner.check import EXERCISES, Mistake, answer, check, exercise
from drum_qtuner.comparison import difference
from drum_qtuner.exercises import check as check_of_lessons
from drum_qtuner.progress import FILE, Kept, Progress, Record, count, hand_in, kept, read_kept

each_exercise = pytest.mark.parametrize("number", sorted(EXERCISES))
MISTAKES = [
    pytest.param(number, mistake, id=f"{number}-{i}")
    for number, task in sorted(EXERCISES.items())
    for i, mistake in enumerate(task.mistakes)
]
LESSONS = sorted({number[:2] for number in EXERCISES})


def endless(*arguments):
    while True:
        pass


def breaks(*arguments):
    raise LookupError("no such drum")


@each_exercise
def test_answers_whatever_comes(number, monkeypatch):
    "Right, a stub, a wrong type, an error with its line, a loop without end."
    assert answer(number, EXERCISES[number].solution).right
    stub = answer(number, lambda *arguments: None)
    assert not stub.right and not stub.done and "not done yet" in stub.text
    for wrong in ("something else", object()):
        said = answer(number, lambda *arguments: wrong)  # noqa: B023
        assert said.done and not said.right and said.text.startswith(f"{number}: not yet.")
    assert '`raise LookupError("no such drum")`: LookupError' in answer(number, breaks).text
    monkeypatch.setitem(EXERCISES, number, replace(EXERCISES[number], lines=2_000))
    assert "does not come to an end" in answer(number, endless).text


@pytest.mark.parametrize(("number", "mistake"), MISTAKES)
def test_known_mistakes_are_told(number, mistake):
    "Each gets its own sentence, and not that of another."
    said = answer(number, mistake.answer)
    assert said.done and not said.right and mistake.says in said.text


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_asks_three_to_six(lesson):
    "Each with two hints, and with a known mistake or a judge."
    tasks = [task for number, task in EXERCISES.items() if number.startswith(lesson)]
    assert 3 <= len(tasks) <= 6
    for task in tasks:
        assert len(task.hints) == 2 and len(set(task.hints)) == 2, task.number
        assert task.mistakes or task.judge, task.number


# What a student's function may do


def caught_without_end(bar):
    while True:
        try:
            bar[0] += 1
        except:  # noqa: E722
            continue


def caught_outside(bar):
    try:
        while True:
            with contextlib.suppress(BaseException):
                caught_without_end(bar)
    except:  # noqa: E722
        return 3


def calls_itself(bar):
    return calls_itself(bar) + 1


def one_line(bar):
    return [step for step in iter(int, 1) if step]


def yields(bar):
    while True:
        yield bar[0]


@pytest.mark.parametrize(
    "function",
    [endless, caught_without_end, caught_outside, one_line, yields],
    ids=lambda function: function.__name__,
)
def test_no_loop_is_without_end(function):
    "Whatever catches the error by which the loop is stopped."
    came = attempt(function, ([1],), lines=3_000)
    assert came.error == "endless" and "after 3,000 lines it was in line" in came.problem
    assert came.value is None


def test_lines_are_counted_as_python_counts_them():
    "A loop of two lines, run n times, and the two lines before and after it."

    def runs(n):
        total = 0
        for step in range(n):
            total += step
        return total

    assert attempt(runs, (10,), lines=1 + 10 * 2 + 1 + 1).value == 45
    assert attempt(runs, (10,), lines=1 + 10 * 2 + 1).error == "endless"


def test_recursion_and_exit_are_told():
    came = attempt(calls_itself, ([1],))
    assert "calls itself again and again in line" in came.problem
    assert "`return calls_itself(bar) + 1`" in came.problem
    assert "SystemExit" in attempt(sys.exit, (3,)).problem
    problem = attempt(lambda bar, step: 0, ([1],)).problem
    assert problem.startswith("cannot be called as it is asked:") and "'step'" in problem
    with pytest.raises(KeyboardInterrupt):  # the square in Jupyter

        def interrupted():
            raise KeyboardInterrupt

        attempt(interrupted)


@pytest.mark.parametrize("function", [len, endless, breaks, caught_without_end])
def test_a_debugger_gets_its_place_back(function):
    def debugger(frame, event, argument):
        "Looks at each call."

    before = sys.gettrace()
    sys.settrace(debugger)
    try:
        attempt(function, ([1],), lines=500)
        assert sys.gettrace() is debugger
    finally:
        sys.settrace(before)


def test_libraries_run_at_full_speed():
    "Their lines do not count: numpy and json run thousands of them."
    came = attempt(lambda: [json.loads(json.dumps(list(range(50)), indent=1)), np.eye(3)], lines=5)
    assert not came.problem


def test_prints_are_kept_short(capsys):
    assert attempt(lambda: [print("rest") for _ in range(9_999)]).printed == "rest\n" * 200
    assert capsys.readouterr().out == ""


@pytest.fixture
def strokes():
    "An exercise of its own, with a mistake."
    cases = [([9],), ([0],), ([0, 9, 6],)]
    hints = ("Which number is a rest?", "Count what is not 9.")

    @exercise("99.1", cases, lambda bar: f"<{bar}>", hints, [Mistake(len, "That counts rests.")])
    def strokes(bar):
        return sum(step != 9 for step in bar)

    yield strokes
    del EXERCISES["99.1"]


def test_the_counterexample_is_the_smallest(strokes):
    text = answer("99.1", lambda bar: 0).text
    assert text == "99.1: not yet. With <[0]>\nyours says 0, and the answer is 1."
    text = answer("99.1", len).text
    assert text.endswith("With <[9]>\nyours says 1, and the answer is 0.\nThat counts rests.")
    assert "counts rests" not in answer("99.1", lambda bar: 1).text  # like len on [9] and [0] only


def test_a_mistake_explains_the_counterexample(strokes):
    "Not another case, which the student does not see."
    says_always = {
        "00.3": lambda snare: False,
        "04.2": lambda *arguments: -100,
        "08.3": lambda *arguments: 1,
        "01.3": lambda classes, n: classes,
    }
    for number, wrong in says_always.items():
        said = answer(number, wrong)
        assert said.done and len(said.text.split("\n")) == 2, said.text


def test_who_forgets_the_else_has_done_something():
    "None for the first case is no stub, if another case gives something."
    said = answer("00.3", lambda snare: True if snare[4] and snare[12] else None)
    assert said.done and "does every way through it end with a `return`?" in said.text
    said = answer("00.3", lambda snare: "no")
    assert "a text, and not True or False" in said.text


def test_what_stays_from_call_to_call_is_told():
    "Called alone, this function gives what is right."

    def remembers(row, seen=[]):  # noqa: B006
        seen.extend(row)
        return sum(seen)

    said = answer("00.2", remembers)
    assert "does something stay from one call to the next" in said.text


def test_another_attempt_finds_python_as_it_was(tmp_path):
    "Folder, depth, errors of numpy, and the end of the page."

    def turns(row):
        os.chdir(tmp_path)
        sys.setrecursionlimit(300)
        np.seterr(all="raise")
        sys.stdout.close()
        return sum(row)

    before = os.getcwd(), sys.getrecursionlimit(), np.geterr()
    assert answer("00.2", turns).right
    assert (os.getcwd(), sys.getrecursionlimit(), np.geterr()) == before


class Broken(Exception):
    "Nothing about it works, not even its text."

    def __str__(self):
        raise LookupError

    __eq__ = __array__ = __repr__ = __str__


class Stop(BaseException):
    "Not an Exception."


@pytest.mark.parametrize(
    "thing",
    [Broken(), Stop("now"), 10**5_000, ValueError("long" * 999)],
    ids=lambda thing: type(thing).__name__,
)
def test_broken_things_are_told(thing):
    "Given back or raised, in few words."

    def gives(row):
        return thing

    def raises(row):
        raise thing

    assert answer("00.2", gives).text.startswith("00.2: not yet.")
    if isinstance(thing, BaseException):
        text = answer("00.2", raises).text
        assert f"`raise thing`: {type(thing).__name__}" in text and len(text) < 600


def _in_another_way():
    "Right answers, as some students write them."
    bar = (0, 9, 6, 9, 1, 9, 6, 9) * 2
    yield "00.3", lambda snare: snare[4] and snare[12]
    yield "00.5", lambda: bar
    yield "00.5", lambda: np.array(bar)
    yield "01.1", lambda step, bpm: Fraction(15 * step, bpm)
    yield "01.3", lambda classes, n: np.roll(classes, n)
    yield "02.1", lambda steps: np.array([steps[i : i + 32] for i in range(0, len(steps) - 31, 16)])
    yield "02.1", lambda steps: np.empty((0, 32)) if len(steps) < 32 else _windows(steps)
    yield "06.5", lambda c: np.array(len({*c}) * np.equal(c[:16], c[16:]).sum())
    yield "07.3", lambda low, high: np.select([low > 0, high < 0], ["better", "worse"], "open")
    yield "07.5", lambda *given: set(itertools.product(*given))
    yield (
        "08.4",
        lambda c: np.bool_(8 <= sum(np.equal(c[:16], c[16:])) <= 14 and len({*c[:16]}) > 2),
    )
    yield (
        "10.2",
        lambda steps, p: math.prod(Fraction(c.count(h), len(c)) for c, h in _drums(steps, p)),
    )
    yield "10.5", lambda rng: np.round(rng.normal(60, 5, 16)) + 40 * (np.arange(16) % 4 == 0)
    yield "10.5", lambda rng: (rng.integers(50, 70) + 30 * (i % 4 == 0) for i in range(16))
    yield "11.2", lambda names: np.array([_pairs(names), _pairs(names[::-1])])


def _windows(steps):
    return np.lib.stride_tricks.sliding_window_view(steps, 32)[::16]


def _drums(steps, pattern):
    return zip(zip(*steps), pattern)


def _pairs(names):
    return list(itertools.combinations(names, 2))


@pytest.mark.parametrize(("number", "mine"), list(_in_another_way()))
def test_right_in_another_way_is_right(number, mine):
    said = answer(number, mine)
    assert said.right, said.text


def test_a_judge_takes_a_number_of_torch():
    torch = pytest.importorskip("torch")
    mine = lambda classes: torch.tensor(EXERCISES["06.5"].solution(classes))  # noqa: E731
    assert answer("06.5", mine).right


def test_a_judge_may_stumble_over_an_answer():
    "It goes on; and an error in the student's own code keeps its line."
    said = answer("11.2", lambda *arguments: 3.5)
    assert said.done and "Yours gives what cannot be used: TypeError: 'float'" in said.text
    assert "Yours stops in line" in answer("11.2", breaks).text


def test_what_is_printed_is_not_returned(strokes):
    said = answer("99.1", lambda bar: print(len(bar)))
    assert not said.done and "it returns None" in said.text and said.text.endswith("`return`:\n1")


def test_arguments_stay_whole(strokes):
    "An answer that changes its arguments is judged on a fresh copy each time, and told of it."

    def empties(bar):
        n = sum(step != 9 for step in bar)
        bar.clear()
        return n

    said = answer("99.1", empties)
    assert said.right and "it changes what it is given" in said.text


def test_kinds_of_lists_are_equal():
    torch = pytest.importorskip("torch")
    right = np.array([[1.0, 2.0], [3.0, 4.0]])
    for same in (
        right.tolist(),
        tuple(map(tuple, right)),
        torch.tensor(right, requires_grad=True),
        torch.tensor(right, dtype=torch.bfloat16),
        list(torch.tensor(right)),
        [np.float32(row) for row in right],
    ):
        assert difference(same, right) is None
    wrong = torch.tensor(right)
    wrong[1, 0] = 3.5
    assert difference(wrong, right) == "1 of 4 differ, most at (1, 0): 3.5 and not 3"
    wrong[1, 0] = torch.nan
    assert difference(wrong, right).startswith("yours at (1, 0) is nan")
    assert difference(right.T[:1], right) == "shape (1, 2), and not (2, 2)"
    assert difference(right + 1e-3, right).startswith("nearly right, but 4 of 4 differ")


# What is kept


def test_a_lesson_goes_on_and_keeps_count(strokes, tmp_path, monkeypatch, capsys):
    "Stubs and printed solutions do not count; nothing is written before the first try."
    monkeypatch.chdir(tmp_path)
    assert check_of_lessons is check
    check("99.1", lambda bar: None)
    check("99.1", strokes, record=False)
    check("77.7", strokes)
    assert not list(tmp_path.iterdir())
    check("99.1", len)
    for _ in range(3):
        check.hint("99.1")
    check("99.1", strokes)
    check("99.1", len)
    assert kept().records == {"99.1": Record(True, 2, 2)}
    out = capsys.readouterr().out
    assert 'A hint: check.hint("99.1")' in out and "99.1, hint 2 of 2: Count what is" in out
    check.hand_in("Ada Lovelace")
    handed_in = read_kept("drum_qtuner_Ada_Lovelace.json")
    assert (handed_in.name, handed_in.records) == ("Ada Lovelace", kept().records)
    found = json.loads((tmp_path / "drum_qtuner_Ada_Lovelace.json").read_text())
    assert set(found) == {"name", "drum_qtuner", "exercises"}


def test_a_damaged_file_is_told_and_kept(strokes, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / FILE).write_text('{"exercises": ')
    check("99.1", strokes)
    check.hint("99.1")
    check.hand_in("Ada")
    assert check.progress() is None
    right, *told = capsys.readouterr().out.splitlines()
    hints = [line for line in told if line.startswith("99.1, hint")]
    told = [line for line in told if line not in hints]
    assert right == "99.1: right." and len(hints) == 2 and len(told) == 4
    assert all(FILE in line and "damaged" in line for line in told)
    assert all(line.startswith("This is not counted: ") for line in told[:2])
    assert (tmp_path / FILE).read_text() == '{"exercises": '


def test_a_folder_that_is_gone_stops_nothing(strokes, tmp_path, monkeypatch, capsys):
    "What cannot be counted is judged all the same."
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    check("99.1", strokes)
    assert capsys.readouterr().out.startswith("99.1: right.\nThis is not counted: ")


def test_two_kernels_lose_nothing(tmp_path):
    "Three processes count at once."
    program = "from drum_qtuner.progress import count\nfor n in range(60): count(f'05.{n % 4}')"
    command = [sys.executable, "-c", program]
    running = [subprocess.Popen(command, cwd=tmp_path) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert [record.tries for record in kept(tmp_path / FILE).records.values()] == [45] * 4


@pytest.mark.parametrize(
    "facts",
    [
        [],
        {},
        {"exercises": {"05.1": {}}},
        {"exercises": {"05.1": {"done": 1, "tries": 1, "hints": 0}}},
        {"exercises": {"05.1": {"done": True, "tries": -1, "hints": 0}}},
        {"exercises": {"<b>": {"done": True, "tries": 1, "hints": 0}}},
        {"exercises": {}, "name": ["Ada"]},
        {"exercises": {}, "name": "A" * 1_000},
    ],
)
def test_impossible_files_are_refused(facts, tmp_path):
    path = tmp_path / FILE
    path.write_text(json.dumps(facts))
    with pytest.raises(ValueError, match="not a file of check, or a damaged one"):
        read_kept(path)


def test_the_table_is_safe_and_readable():
    table = Progress({"05.1": Record(True, 3, 1), "<i>": Record(False, 2)})
    html = table._repr_html_()
    assert "<i>" not in html and "&lt;i&gt;" in html and "1 of 2 exercises done" in html
    assert repr(table).splitlines()[1].split() == ["05.1", "done", "3", "1"]


def test_a_name_makes_no_path(tmp_path):
    "Whatever a student is called, the file lies beside the notebook."
    path = hand_in(Kept(), "../../Ada & Söhne", tmp_path)
    assert path.parent == tmp_path and path.name == "drum_qtuner_Ada_Söhne.json"
    assert read_kept(path).name == "../../Ada & Söhne"
    with pytest.raises(ValueError, match="is there already"):
        hand_in(Kept(), "Ada_Söhne", tmp_path)
    assert count("05.1", path=tmp_path / FILE) == Record(False, 1, 0)
    assert hand_in(Kept(), "字" * 80, tmp_path).exists()  # in 240 bytes
    of_a_mac = hand_in(Kept(), "Zoe\u0308", tmp_path)
    assert (of_a_mac.name, read_kept(of_a_mac).name) == ("drum_qtuner_Zo\u00eb.json", "Zo\u00eb")
