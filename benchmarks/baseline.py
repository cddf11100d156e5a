"""The first program one would write from the paper: the baseline of all ratios."""

import copy

import numpy as np
import torch
import torch.nn.functional as F

from drum_qtuner.dqn_tuning import exploration, new_q_network


def state(sequence: list[int]) -> torch.Tensor:
    "One-hot (1, 10, 32), the newest step in the last column."
    one_hot = F.one_hot(torch.tensor(sequence[-32:]), 10).float().T
    return F.pad(one_hot, (32 - one_hot.shape[1], 0))[None]


def tune(note_cnn, epsilon=0.1, iterations=1000, seed=0) -> np.ndarray:
    "Section 4.3: ten forward passes for the best action, ten for the target. The rewards."
    q = new_q_network(note_cnn, seed)
    target, optimizer = copy.deepcopy(q), torch.optim.Adam(q.parameters(), 1e-3)
    choices = exploration(iterations, epsilon, 10, seed).tolist()
    sequence, rewards = [choices[0]], []
    for t in range(1, iterations + 1):
        with torch.no_grad():
            action = choices[t]
            if action < 0:
                action = max(range(10), key=lambda a: q(state(sequence + [a])).item())
            reward = F.log_softmax(note_cnn(state(sequence)), 1)[0, action].item()
            sequence = (sequence + [action])[-32:]
            y = reward + 0.5 * max(target(state(sequence + [a])).item() for a in range(10))
        loss = (y - q(state(sequence))).pow(2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if t % 10 == 0:
            for slow, fast in zip(target.parameters(), q.parameters()):
                slow.data.lerp_(fast.data, 0.01)
        rewards.append(reward)
    return np.array(rewards)


def generate(model, n: int, seed=0) -> np.ndarray:
    "One beat and one step after another, sampled from the softmax of the scores: (n, 32)."
    rng, beats = np.random.default_rng(seed), []
    for _ in range(n):
        sequence = [int(rng.integers(10))]
        while len(sequence) < 32:
            with torch.no_grad():
                p = F.softmax(model.scores(torch.tensor([sequence])).double(), 1)[0].numpy()
            sequence.append(int(rng.choice(10, p=p)))
        beats.append(sequence)
    return np.array(beats)


def train(classes: np.ndarray, iterations: int, seed=0):
    "Section 4.2: one clip an update, one forward pass for each of its steps 8..31."
    from drum_qtuner.note_cnn import new_note_cnn

    model, rng = new_note_cnn(seed), np.random.default_rng(seed)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(iterations):
        clip = classes[rng.integers(len(classes))].tolist()
        logits = torch.cat([model(state(clip[:t])) for t in range(8, 32)])
        loss = F.cross_entropy(logits, torch.tensor(clip[8:]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model
