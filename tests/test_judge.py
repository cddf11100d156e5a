"""The judge: its scores by hand, what it may see, and that it learns."""

import numpy as np
import pytest
import torch
from beats import ROCK, SILENCE, few_clips, random_beats, repeat
from torch.nn.functional import cross_entropy

from drum_qtuner.hearing import JUDGE, improbable_share, log_likelihoods, score_distance
from drum_qtuner.judge import Judge, load_judge, train_judge
from drum_qtuner.note_cnn import all_logits
from drum_qtuner.preprocessing import Clips, load_clips
from drum_qtuner.store import load, load_pretrained, save

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clips() -> Clips:
    "Every sixth of the real clips."
    return few_clips()


def test_scores_by_hand():
    class Uniform(torch.nn.Module):
        def forward(self, classes):
            return torch.zeros(*classes.shape, 10)

    np.testing.assert_allclose(log_likelihoods(Uniform(), [ROCK, SILENCE]), -np.log(10), rtol=1e-6)


def test_scores_are_those_of_its_steps():
    judge, beats, total = load_judge(), [ROCK, *random_beats(3)], 0
    classes = torch.tensor(np.array([beat.classes() for beat in beats])).long()
    with torch.no_grad():
        for t in range(32):
            total += judge.scores(classes[:, :t]).double().softmax(1)[range(4), classes[:, t]].log()
    np.testing.assert_allclose(log_likelihoods(judge, beats), total / 32, atol=1e-5)


def test_what_is_no_judge(clips):
    with pytest.raises(ValueError, match="a judge is a model"):
        log_likelihoods(3, [ROCK])
    with pytest.raises(ValueError, match="holds no judge"):
        load_judge(JUDGE.parent.parent / "weights" / "note_cnn.safetensors")
    with pytest.raises(ValueError, match="two performances"):
        train_judge(clips.select([0]))
    with pytest.raises(ValueError, match="one epoch"):
        train_judge(clips.select(slice(0, 2000, 8)), epochs=0)


def test_judge_does_not_see_the_future():
    judge, classes = (
        load_judge(),
        torch.randint(10, (3, 32), generator=torch.Generator().manual_seed(0)),
    )
    with torch.no_grad():
        logits = judge(classes)
        for t in (0, 1, 20):
            torch.testing.assert_close(
                judge.scores(classes[:, :t]), logits[:, t], atol=1e-5, rtol=1e-4
            )
        torch.testing.assert_close(
            judge(torch.cat([classes[:, :16], classes.flip(1)[:, :16]], 1))[:, :17],
            logits[:, :17],
            atol=1e-5,
            rtol=1e-4,
        )


def test_judge_likes_loops_better_than_music_and_random_least(clips):
    judge = load_judge()
    people, chance = (
        log_likelihoods(judge, clips.split("test")).mean(),
        log_likelihoods(judge, random_beats(200)).mean(),
    )
    assert chance < people < max(log_likelihoods(judge, [repeat(sound) for sound in range(10)]))


def test_training_a_judge_helps_and_repeats(clips):
    train = clips.split("train").select(slice(0, 2000, 8))
    one, two = (train_judge(train, epochs=4) for _ in range(2))
    losses = one.card["history"]
    assert losses[-1] < losses[0] < np.log(10) + 0.1
    for a, b in zip(one.parameters(), two.parameters()):
        assert torch.equal(a, b)


def test_a_judge_is_saved_and_loaded_like_any_model(tmp_path):
    judge = Judge(hidden=8).eval()
    save(judge, tmp_path / "judge.safetensors", {"seed": 3})
    for again in (load(tmp_path / "judge.safetensors"), load_judge(tmp_path / "judge.safetensors")):
        assert isinstance(again, Judge) and again.card["seed"] == 3 and again.sizes == judge.sizes
        np.testing.assert_array_equal(
            log_likelihoods(again, [ROCK]), log_likelihoods(judge.eval(), [ROCK])
        )


def test_score_distance_by_hand():
    assert score_distance([0, 1, 3], [5, 6, 8]) == pytest.approx(5)
    assert score_distance([-1.0], [-1.0, -1.0]) == 0


def test_improbable_share_by_hand():
    real = np.arange(201.0)  # a hundredth of the way from 0 to 200 is 2
    assert improbable_share([0, 1, 2, 100], real) == 0.5
    assert improbable_share(real, real) == 2 / 201


def test_the_judge_knows_more_than_the_note_cnn():
    "Nats a step on the official splits, steps 8 to 31; the Note-CNN's are 1.040 and 1.023."
    clips = load_clips(split="all", verbose=False)
    judge, note_cnn = load_judge(), load_pretrained("note_cnn")
    for split in ("validation", "test"):
        classes = torch.from_numpy(clips.split(split).classes).long()
        with torch.no_grad():
            said = judge(classes)[:, 8:], all_logits(note_cnn, classes[:, :-1])[:, 8:]
        nats = [cross_entropy(p.flatten(0, 1), classes[:, 8:].flatten()).item() for p in said]
        assert nats[0] < nats[1] - 0.04 and nats[0] < 1.0
