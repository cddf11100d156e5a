"""Learn deep reinforcement learning by teaching a small network to drum."""

__version__ = "0.1.0"

from importlib import import_module

# The public names and the modules that hold them. A module is imported when one of its names is
# first used, so that `import drum_qtuner` stays quick.
_names = {
    "beat": ["Beat", "Drum", "KIT", "REST", "CLASS_OF_PITCH"],
    "sound": ["render"],
    "playback": ["player", "roll", "score"],
    "preprocessing": ["Clips", "load_clips"],
    "note_cnn": ["NoteCNN", "train", "generate", "save", "load", "load_pretrained"],
    "dqn_tuning": ["QNetwork", "tune"],
    "fast_tuning": ["fast_tune", "fast_tune_many", "tune_many"],
    "panel": ["evaluate"],
    "listening": ["ListeningTest"],
    "studio": ["Studio"],
    "sweeps": ["sweep"],
}
_module_of = {name: module for module, names in _names.items() for name in names}
__all__ = list(_module_of)


def __getattr__(name):
    "The public `name`, from the module that holds it."
    if name not in _module_of:
        raise AttributeError(f"module 'drum_qtuner' has no attribute '{name}'")
    return getattr(import_module(f"drum_qtuner.{_module_of[name]}"), name)


def __dir__():
    return sorted([*globals(), *__all__])
