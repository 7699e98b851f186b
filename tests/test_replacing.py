"""Saving over files: modes, links, what killed saves left behind, savers at the same time."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scorefn import LogitsPolicy, load_policy
from scorefn._files import replacing

POLICY = LogitsPolicy([3.0, 4.0])


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    LogitsPolicy([1.0, 2.0]).save(tmp_path / "policy.npz")
    return tmp_path / "policy.npz"


def check_saved(path: Path) -> None:
    assert load_policy(path).parameters.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o666, 0o755])
def test_the_mode_survives(mode: int, path: Path) -> None:
    path.chmod(mode)
    POLICY.save(path)
    check_saved(path)
    assert mode_of(path) == mode


@pytest.mark.thread_unsafe(reason="the umask is the process's")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_mode_of_any_new_file(umask: int, mode: int, tmp_path: Path) -> None:
    previous = os.umask(umask)
    try:
        POLICY.save(tmp_path / "new.npz")
    finally:
        os.umask(previous)
    assert mode_of(tmp_path / "new.npz") == mode


def test_an_error_names_the_file_that_was_to_be_saved(tmp_path: Path) -> None:
    """And not its part, of which the caller has never heard."""
    path = tmp_path / "no_such" / "policy.npz"
    with pytest.raises(FileNotFoundError) as info:
        POLICY.save(path)
    assert info.value.filename == str(path)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"/file/policy\.npz'$"):
        POLICY.save(tmp_path / "file" / "policy.npz")


def test_nobody_else_may_read_a_private_file_while_it_is_written(path: Path) -> None:
    path.chmod(0o600)
    with replacing(path) as part:
        assert mode_of(part) == 0o600
        part.write_bytes(b"")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_survives(path: Path) -> None:
    os.chown(path, 1234, 5678)
    path.chmod(0o600)
    POLICY.save(path)
    status = path.stat()
    assert (status.st_uid, status.st_gid, mode_of(path)) == (1234, 5678, 0o600)


@pytest.mark.parametrize("is_relative", [True, False])
def test_a_link_survives_and_its_target_is_replaced(is_relative: bool, path: Path) -> None:
    path.chmod(0o600)
    folder = path.parent / "elsewhere"
    folder.mkdir()
    first, second = folder / "first.npz", folder / "second.npz"
    first.symlink_to("second.npz")
    second.symlink_to(Path("..", path.name) if is_relative else path)
    POLICY.save(first)
    check_saved(path)
    assert mode_of(path) == 0o600
    assert first.is_symlink()
    assert second.is_symlink()
    assert not path.is_symlink()
    assert {p.name for p in folder.iterdir()} == {"first.npz", "second.npz"}


def test_a_link_to_a_file_that_does_not_exist_yet(tmp_path: Path) -> None:
    link = tmp_path / "link.npz"
    link.symlink_to("target.npz")
    POLICY.save(link)
    check_saved(tmp_path / "target.npz")
    assert link.is_symlink()


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "policy.npz"
    with pytest.raises(FileNotFoundError) as caught:
        POLICY.save(path)
    assert caught.value.filename == str(path)


def test_a_circle_of_links(tmp_path: Path) -> None:
    link = tmp_path / "link.npz"
    link.symlink_to(link)
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        POLICY.save(link)
    assert list(tmp_path.iterdir()) == [link]


def test_a_device_or_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/null")
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/full")):
        kind = stat.S_IFMT(path.stat().st_mode)
        with pytest.raises(OSError, match="not a regular file"):
            POLICY.save(path)
        assert stat.S_IFMT(path.stat().st_mode) == kind
    assert len(list(tmp_path.iterdir())) == 2


KILLED = """
import os, signal, sys
from pathlib import Path
from scorefn._files import replacing
with replacing(Path(sys.argv[1])) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["policy.npz", "x" * 200, "a [*]?.npz"])
def test_what_a_killed_save_left_is_removed(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    for _ in range(2):
        subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
        assert len(list(tmp_path.iterdir())) == 1  # the second save has removed the first part
    POLICY.save(path)
    check_saved(path)
    assert list(tmp_path.iterdir()) == [path]


def test_links_and_names_of_others_are_not_removed(path: Path) -> None:
    kept = [".policy.npz.part", ".policy.npz.0123abcd.part.txt", ".other.npz.0123abcd.part"]
    for name in kept:
        (path.parent / name).write_text("mine")
    link, folder = (path.with_name(f".policy.npz.0000000{i}.part") for i in range(2))
    link.symlink_to(path.parent / kept[0])
    folder.mkdir()
    os.mkfifo(path.with_name(".policy.npz.00000002.part"))
    POLICY.save(path)
    assert len(list(path.parent.iterdir())) == 1 + len(kept) + 3
    assert (path.parent / kept[0]).read_text() == "mine"


def test_a_save_in_progress_is_not_taken_for_a_leftover(path: Path) -> None:
    with replacing(path) as part:
        part.write_text("in progress")
        POLICY.save(path)
        check_saved(path)
        assert part.read_text() == "in progress"
    assert path.read_text() == "in progress"
    assert list(path.parent.iterdir()) == [path]


def test_a_part_that_is_removed_before_it_is_locked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another save takes it for a leftover, in the moment between its creation and its lock."""
    flock = fcntl.flock
    removed = []

    def remove_and_lock(descriptor: int, operation: int) -> None:
        for part in path.parent.glob(".policy.npz.*.part") if not removed else ():
            part.unlink()
            removed.append(part)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", remove_and_lock)
    with replacing(path) as part:
        part.write_text("new")
        with part.open("rb") as file, pytest.raises(BlockingIOError):
            flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert path.read_text() == "new"
    assert len(removed) == 1
    assert list(path.parent.iterdir()) == [path]


def test_a_file_system_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Saving works; what is not known to be left behind stays."""

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    leftover = path.with_name(".policy.npz.0123abcd.part")
    leftover.write_text("half")
    POLICY.save(path)
    check_saved(path)
    assert leftover.exists()


def test_the_new_content_is_on_disk_before_it_replaces_the_old(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power loss could leave an empty file."""
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    np.testing.assert_array_equal(load_policy(path).parameters, [1.0, 2.0])
    POLICY.save(path)
    assert calls == ["fsync", "replace"]
