"""The fast loop does what the plain one does: rewards, weights, gradients, checkpoints, errors."""

import copy
import itertools
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from helpers import HEARS_CTRL_C

from drum_qtuner import dqn_tuning, fast_tuning, kernel_loop, kernels
from drum_qtuner.dqn_tuning import QNetwork, new_q_network, tune
from drum_qtuner.fast_tuning import fast_tune, fast_tune_many
from drum_qtuner.fit import load_checkpoint, weights
from drum_qtuner.note_cnn import new_note_cnn, states
from drum_qtuner.rewards import LogProbability
from drum_qtuner.store import load_pretrained

ODD_SIZES = dict(classes=3, steps=6, channels=10, kernel=4, hidden=7)


@pytest.fixture(scope="module")
def note_cnn():
    return load_pretrained("note_cnn")


def difference(one, other) -> float:
    "The largest difference between two networks' weights."
    return max(
        (a - b).abs().max().item() for a, b in zip(weights(one).values(), weights(other).values())
    )


class Silence:
    "A reward that pays for rests."

    def __repr__(self):  # names the test
        return "Silence()"

    def scores(self, prefix):
        return torch.eye(10)[9].expand(len(prefix), -1)


def same(one, other) -> bool:
    "Whether two results of tuning agree in every bit."
    return np.array_equal(one[1], other[1]) and difference(one[0], other[0]) == 0


@pytest.mark.parametrize("epsilon, seed", [(0.01, 0), (0.1, 1), (0.5, 2)])
def test_agrees_with_the_plain_loop_for_3000_iterations(note_cnn, epsilon, seed):
    q, rewards = tune(note_cnn, epsilon, 3000, seed)
    fast_q, fast_rewards = fast_tune(note_cnn, epsilon, 3000, seed)
    assert fast_rewards.dtype == np.float32 and fast_rewards.shape == (3000,)
    np.testing.assert_allclose(fast_rewards, rewards, atol=1e-4)
    assert difference(q, fast_q) < 1e-5
    assert not fast_q.training and isinstance(fast_q, QNetwork) and fast_q.sizes == q.sizes


def test_what_stands_for_log_0(note_cnn):
    "A Note-CNN far too sure of itself: where p is 0 in float32 the number given, only there."
    sure = copy.deepcopy(note_cnn)
    with torch.no_grad():
        sure.output.weight *= 25
    settings = dict(epsilon=1.0, iterations=300, start="random", learning_rate=1e-5)
    exact, (q, rewards), (fast_q, fast_rewards) = (
        tune(sure, **settings)[1],
        tune(sure, log_zero=-18.42, **settings),
        fast_tune(sure, log_zero=-18.42, **settings),
    )
    with np.errstate(under="ignore"):
        zero = np.exp(exact.astype(np.float64)) < np.finfo(np.float32).smallest_subnormal.astype(
            np.float64
        )
    assert 10 < zero.sum() < 290 and (exact[~zero] < -18.42).sum() > 10
    np.testing.assert_array_equal(rewards, np.where(zero, np.float32(-18.42), exact))
    np.testing.assert_allclose(fast_rewards, rewards, rtol=1e-4, atol=1e-4)
    assert difference(q, fast_q) < 1e-4
    np.testing.assert_allclose(fast_tune(sure, **settings)[1], exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        dict(start="random"),
        dict(start="random", episode_steps=32),
        dict(episode_steps=32),
        dict(episode_steps=2),
        dict(output_layer="zero"),
        dict(gamma=0.0, eta=1.0, target_every=1),
        dict(epsilon=1.0, learning_rate=1e-2, target_every=7),
        dict(epsilon=0.0),
    ],
    ids=str,
)
def test_options_mean_the_same(note_cnn, options):
    q, rewards = tune(note_cnn, iterations=250, **options)
    fast_q, fast_rewards = fast_tune(note_cnn, iterations=250, **options)
    np.testing.assert_allclose(fast_rewards, rewards, atol=1e-3)
    assert difference(q, fast_q) < 1e-4


@pytest.mark.parametrize(
    "sizes", [ODD_SIZES, dict(ODD_SIZES, kernel=6), dict(ODD_SIZES, kernel=1, hidden=1)], ids=str
)
@pytest.mark.parametrize("episode_steps", [None, 4])
def test_any_architecture(sizes, episode_steps):
    judge = new_note_cnn(5, **sizes)
    q, rewards = tune(judge, 0.3, 300, episode_steps=episode_steps)
    fast_q, fast_rewards = fast_tune(judge, 0.3, 300, episode_steps=episode_steps)
    np.testing.assert_allclose(fast_rewards, rewards, atol=1e-4)
    assert difference(q, fast_q) < 1e-5


@pytest.mark.parametrize("played", [1, 5, 31, 32])
@pytest.mark.parametrize(
    "sizes",
    [{}, dict(classes=4, steps=32, channels=12, kernel=5, hidden=6)],
    ids=["paper", "other"],
)
def test_gradient_is_autograds(sizes, played):
    "Forwards and backwards against torch, for windows that are nearly empty, nearly full and full."
    torch.manual_seed(played)
    q = new_q_network(new_note_cnn(0, **sizes), 1)
    width, positions, classes = q.sizes["channels"], 33 - q.sizes["kernel"], q.classes
    sequence = torch.randint(classes, (1, played))
    q.zero_grad()
    value = q(states(sequence, classes, 32))[0, 0]
    (value + 2).pow(2).backward()
    expected = kernels.flat_copy(q)
    kernels.copy_in(expected, [p.grad for p in q.parameters()], q.sizes)
    expected = kernels.layer_views(expected, q.sizes)

    net, work = (kernels.layer_views(kernels.flat_copy(q), q.sizes), kernels.workspace(q.sizes))
    window, start, action = np.zeros(32, np.int64), 32 - played, int(sequence[0, -1])
    window[start:] = sequence[0]
    patterns = kernels.zeros(positions, width)
    kernels.slide(net, window, start, 0, patterns, q.sizes["kernel"] - 1)
    kernels.action_values(net, patterns, work)
    x, newest, hidden, values = work
    with torch.no_grad():
        np.testing.assert_allclose(values, q.scores(sequence[:, :-1])[0], atol=1e-5)
    x[-width:] = newest[action]
    head, d_x, tail = (
        kernels.zeros(net[0].size + width),
        kernels.zeros(x.size),
        kernels.zeros(2 * q.sizes["hidden"] + 1),
    )
    error = np.float32(2 * (values[action] + 2))
    kernels.gradient(net, window, start, x, hidden[action], error, head, d_x, tail)
    linear = np.outer(tail[: q.sizes["hidden"]], x)
    found = np.concatenate([head, linear.ravel(), tail])
    np.testing.assert_allclose(
        found, np.concatenate([layer.ravel() for layer in expected]), atol=2e-5
    )
    assert abs(found).max() > 0.1


def test_adam_is_torchs_also_after_sleep():
    "A row that had no gradient for 2,000 iterations, in torch and here, and then has one again."
    weight = torch.linspace(-1, 1, 64).requires_grad_()
    optimizer = torch.optim.Adam([weight], 1e-3, fused=True)
    flat, means, squares = (weight.detach().clone().numpy(), kernels.zeros(64), kernels.zeros(64))
    nothing, asleep = kernels.zeros(0), np.array([0])
    slept, x = 0, np.linspace(1, 2, 61, dtype=np.float32)
    with dqn_tuning.flushed_denormals():
        for t in range(1, 2201):
            tail = np.array([0.1 if t < 100 or t > 2100 else 0, 0, 0], np.float32)
            weight.grad = torch.from_numpy(np.concatenate([tail[0] * x, tail]))
            optimizer.step()
            kernel_loop.adam(flat, means, squares, x, nothing, tail, 1e-3, t, asleep)
            slept += asleep[0] >= 0
    assert 900 < slept < 1400
    np.testing.assert_allclose(flat, weight.detach(), atol=1e-5)
    np.testing.assert_allclose(squares, optimizer.state[weight]["exp_avg_sq"], rtol=1e-3)


def test_learns_the_exact_values_of_a_small_problem():
    "Three sounds, four steps: Q-learning must find what dynamic programming finds."
    judge = new_note_cnn(seed=3, classes=3, steps=4, channels=64, kernel=4, hidden=32)
    with torch.no_grad():
        judge.output.weight.mul_(12)

    def exact_values(prefix):
        reward = LogProbability(judge).scores(torch.tensor([prefix]))[0].tolist()
        if len(prefix) == 3:
            return np.array(reward)
        return np.array([r + 0.5 * exact_values(prefix + [a]).max() for a, r in enumerate(reward)])

    prefixes = [list(p) for n in (1, 2, 3) for p in itertools.product(range(3), repeat=n)]
    exact = np.array([exact_values(p) for p in prefixes])
    q, _ = fast_tune(judge, epsilon=1.0, iterations=60_000, episode_steps=4, eta=0.02)
    with torch.no_grad():
        learned = np.array([q.scores(torch.tensor([p]))[0].numpy() for p in prefixes])
    cost = exact.max(1) - exact[np.arange(len(exact)), learned.argmax(1)]
    assert abs(exact).max() > 2 and abs(learned - exact).mean() < 0.1 and cost.max() < 0.05


@pytest.mark.parametrize("episode_steps", [None, 8])
@pytest.mark.parametrize(
    "first, then",
    [(fast_tune, fast_tune), (tune, fast_tune), (fast_tune, tune)],
    ids=["fast", "plain-fast", "fast-plain"],
)
def test_resumes(note_cnn, tmp_path, monkeypatch, episode_steps, first, then):
    "A broken run goes on in every bit, and either loop can finish what the other began."
    for module in (dqn_tuning, fast_tuning):
        monkeypatch.setattr(module, "CHECKPOINT_EVERY", 300)
    settings, file = (
        dict(iterations=1500, episode_steps=episode_steps),
        tmp_path / "run.safetensors",
    )

    def stop(iteration, q):
        if iteration == 1000:
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        first(note_cnn, checkpoint=file, callback=stop, **settings)
    resumed, whole = then(note_cnn, checkpoint=file, **settings), fast_tune(note_cnn, **settings)
    if first is then:
        assert same(resumed, whole)
    np.testing.assert_allclose(resumed[1], whole[1], atol=1e-3)
    again = fast_tune(note_cnn, checkpoint=file, **settings)  # nothing is left to do
    assert same(again, resumed)
    with pytest.raises(ValueError, match="belongs to a training with iterations = 1500, not 1600"):
        fast_tune(note_cnn, checkpoint=file, **{**settings, "iterations": 1600})


def test_resumes_with_sleeping_rows(note_cnn, tmp_path):
    "Long enough for rows of the linear layer to fall asleep and wake up."
    file = tmp_path / "run.safetensors"

    def stop(iteration, q):
        if iteration == 12_000:
            raise RuntimeError("stopped")

    settings = dict(epsilon=0.3, iterations=20_000)
    with pytest.raises(RuntimeError):
        fast_tune(note_cnn, checkpoint=file, callback=stop, callback_every=4000, **settings)
    assert same(fast_tune(note_cnn, checkpoint=file, **settings), fast_tune(note_cnn, **settings))


def test_interrupted_by_the_keyboard(tmp_path):
    "Ctrl-C in mid-run leaves a whole checkpoint, no half-written file, and the run can go on."
    file = tmp_path / "run.safetensors"
    code = f"""
import sys
from drum_qtuner.fast_tuning import fast_tune
from drum_qtuner.note_cnn import load_pretrained
def tell(i, q): print(i, flush=True)
watch = dict(callback=tell, callback_every=10_000)
note_cnn = load_pretrained("note_cnn")
try: fast_tune(note_cnn, iterations=10_000_000, checkpoint={str(file)!r}, **watch)
except KeyboardInterrupt: sys.exit(7)
"""
    run = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ, TQDM_DISABLE="1"),
        **HEARS_CTRL_C,
    )
    assert run.stdout.readline().strip() == "10000"
    run.send_signal(signal.SIGINT)
    assert run.wait(20) == 7
    parts, facts = load_checkpoint(file, dict(iterations=10_000_000))
    assert facts["done"] >= 5_000 and (parts["run"]["rewards"][:5_000] < 0).float().mean() > 0.9
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_callback_sees_what_the_plain_loop_shows_and_changes_nothing(note_cnn):
    seen, plain = {}, {}
    with_callback = fast_tune(
        note_cnn, iterations=25, callback=lambda i, q: seen.update({i: weights(q)["linear.weight"]})
    )
    tune(
        note_cnn,
        iterations=25,
        callback=lambda i, q: plain.update({i: weights(q)["linear.weight"]}),
    )
    assert list(seen) == list(plain) == list(range(1, 26))
    for i in seen:
        torch.testing.assert_close(seen[i], plain[i], atol=1e-5, rtol=0)
    assert same(with_callback, fast_tune(note_cnn, iterations=25))
    every = []
    often = fast_tune(
        note_cnn, iterations=2500, callback=lambda i, q: every.append(i), callback_every=700
    )
    assert every == [700, 1400, 2100] and same(often, fast_tune(note_cnn, iterations=2500))


@pytest.mark.parametrize(
    "wrong",
    [
        dict(epsilon=-0.1),
        dict(epsilon=float("nan")),
        dict(gamma=1.0),
        dict(eta=0),
        dict(iterations=0),
        dict(target_every=0),
        dict(episode_steps=1),
        dict(episode_steps=33),
        dict(output_layer="ones"),
        dict(log_zero=-18.0, reward=Silence()),
        dict(reward=Silence),
    ],
    ids=str,
)
def test_bad_input_gives_the_same_error(note_cnn, wrong):
    with pytest.raises(ValueError) as plain:
        tune(note_cnn, **wrong)
    with pytest.raises(ValueError) as fast:
        fast_tune(note_cnn, **wrong)
    assert str(fast.value) == str(plain.value)


def test_number_of_threads_does_not_matter(note_cnn):
    "Eight runs on one thread and on four; torch's global random numbers are left alone."
    torch.manual_seed(0)
    settings = dict(epsilons=(0.05, 0.5), seeds=(0, 1, 2, 3), iterations=1500)
    one, four = (
        fast_tune_many(note_cnn, workers=1, **settings),
        fast_tune_many(note_cnn, workers=4, **settings),
    )
    assert list(one) == list(four) == list(itertools.product((0.05, 0.5), (0, 1, 2, 3)))
    assert all(same(one[run], four[run]) for run in one)
    assert same(one[0.5, 2], fast_tune(note_cnn, 0.5, 1500, seed=2))
    assert not np.array_equal(one[0.5, 2][1], one[0.5, 3][1])
    assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.manual_seed(0)))


def test_networks_made_in_other_threads_do_not_change_the_weights(note_cnn):
    "While a run begins, others load their networks, which take random numbers too."
    alone, stopped = weights(new_q_network(note_cnn, 5)), threading.Event()

    def load_on():
        while not stopped.is_set():
            load_pretrained("dqn-0.1")

    torch.manual_seed(0)
    others = [threading.Thread(target=load_on) for _ in range(3)]
    for other in others:
        other.start()
    try:
        made = [weights(new_q_network(note_cnn, 5)) for _ in range(100)]
    finally:
        stopped.set()
        for other in others:
            other.join()
    assert all(torch.equal(network[name], alone[name]) for network in made for name in alone)
    assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.manual_seed(0)))


def test_an_error_in_one_run_stops_the_others(note_cnn):
    with pytest.raises(ValueError, match="epsilon = 2: give a share"):
        fast_tune_many(note_cnn, epsilons=(2, 0.1, 0.1), iterations=10_000_000)


def test_denormal_numbers_are_back_after_a_run(note_cnn):
    fast_tune(note_cnn, iterations=10)
    assert np.float32(1e-38) * np.float32(0.1) > 0


def test_computes_log_p_and_no_other_reward(note_cnn):
    "Given by name it is the default; another Note-CNN's is computed, anything else refused."
    default = fast_tune(note_cnn, iterations=50)
    assert same(default, fast_tune(note_cnn, iterations=50, reward=LogProbability(note_cnn)))
    other = LogProbability(new_note_cnn(1), log_zero=-18.0)
    (q, rewards), (fast_q, fast_rewards) = (
        run(note_cnn, iterations=200, reward=other) for run in (tune, fast_tune)
    )
    np.testing.assert_allclose(fast_rewards, rewards, atol=1e-4)
    assert difference(q, fast_q) < 1e-5 and not np.allclose(rewards[:50], default[1])
    with pytest.raises(ValueError, match="not Silence; tune and tune_many take any reward"):
        fast_tune(note_cnn, reward=Silence())
    with pytest.raises(ValueError, match="of the same sizes"):
        fast_tune(note_cnn, reward=LogProbability(new_note_cnn(0, channels=8)))
