"""Files are whole or not there."""

import os
from pathlib import Path

import pytest
from strategies import rock

from drum_qtuner.files import write_file


def test_write_file_replaces_whole_files(tmp_path):
    path = tmp_path / "a" / "b.bin"
    assert write_file(path, b"old") == path and path.read_bytes() == b"old"
    write_file(str(path), b"new")
    assert path.read_bytes() == b"new" and os.listdir(path.parent) == ["b.bin"]


def disk_full(path, data):
    with open(path, "wb") as file:
        file.write(data[:2])
    raise OSError(28, "No space left on device")


def no_rename(source, target):
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(
    "owner, name, broken", [(Path, "write_bytes", disk_full), (os, "replace", no_rename)]
)
def test_a_failure_leaves_the_old_file(owner, name, broken, tmp_path, monkeypatch):
    path = tmp_path / "rock.mid"
    rock().to_midi(path)
    before = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, broken)
        with pytest.raises(OSError):
            rock(99).to_midi(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["rock.mid"]


def test_a_folder_is_not_replaced(tmp_path):
    (tmp_path / "beats").mkdir()
    with pytest.raises(OSError):
        write_file(tmp_path / "beats", b"data")
    assert os.listdir(tmp_path) == ["beats"] and (tmp_path / "beats").is_dir()
