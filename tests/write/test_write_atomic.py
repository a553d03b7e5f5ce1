"""Files and directories appear whole or not at all; names stay where they belong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vbte.errors import InputError
from vbte.write import atomic, safe_file_name, staged_directory, write_file


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_file_is_replaced_whole_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["a.txt"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(InputError, match=r"a.txt: cannot be written: No space left"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.txt"]


def test_a_file_in_a_directory_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        write_file(tmp_path / "absent" / "a.txt", b"")


@pytest.fixture(params=["exchange", "two renames"])
def swap(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with the kernel's exchange, and again as if there were none."""
    if request.param == "two renames":
        monkeypatch.setattr(atomic, "_exchanged", lambda one, other: False)


@pytest.mark.usefixtures("swap")
def test_a_directory_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "plan"
    for content in ("one", "two"):
        with staged_directory(target) as staged:
            (staged / "devices").mkdir()
            (staged / "devices" / content).write_text(content)
        assert names(target / "devices") == [content]
        assert names(tmp_path) == ["plan"]


@pytest.mark.usefixtures("swap")
def test_an_exception_leaves_the_old_directory(tmp_path: Path) -> None:
    target = tmp_path / "plan"
    with staged_directory(target) as staged:
        (staged / "one").touch()

    def interrupted() -> None:
        with staged_directory(target) as staged:
            (staged / "two").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(target) == ["one"]
    assert names(tmp_path) == ["plan"]


def test_missing_parents_are_made_and_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    with staged_directory(tmp_path / "a" / "b") as staged:
        (staged / "x").touch()
    assert names(tmp_path / "a" / "b") == ["x"]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file where a directory"), staged_directory(tmp_path / "file"):
        pass


def killed_while(body: str, target: Path) -> None:
    """Run ``body`` in a process that kills itself with no chance to clean up."""
    code = f"""
    import os, signal
    from pathlib import Path
    from vbte.write import atomic
    target = Path({str(target)!r})
    die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
    {body}
    """
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL


WRITE = "with atomic.staged_directory(target) as staged: (staged / 'two').touch()"
KILLS = {
    "while writing": f"{WRITE}; die()",
    "before the swap": f"atomic._swap = die\n    {WRITE}",
    "after the swap": f"atomic.shutil.rmtree = die\n    {WRITE}",
    "between two renames": f"atomic._exchanged = lambda *_: False\n    Path.rename_ = Path.rename\n    "
    f"Path.rename = lambda a, b: (Path.rename_(a, b), die())\n    {WRITE}",
}


@pytest.mark.parametrize("moment", KILLS)
def test_a_kill_at_any_moment_leaves_a_whole_plan_and_the_next_run_cleans_up(moment: str, tmp_path: Path) -> None:
    target = tmp_path / "plan"
    with staged_directory(target) as staged:
        (staged / "one").touch()
    killed_while(KILLS[moment], target)
    if moment != "between two renames":
        assert names(target) == (["two"] if moment == "after the swap" else ["one"])
    with pytest.raises(ZeroDivisionError), staged_directory(target):
        raise ZeroDivisionError
    assert names(target) == (["two"] if moment == "after the swap" else ["one"])
    assert names(tmp_path) == ["plan"]


def test_the_staging_directory_of_a_run_still_alive_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "plan"
    with staged_directory(target) as mine:
        (mine / "mine").touch()
        with staged_directory(target) as theirs:
            (theirs / "theirs").touch()
        assert names(mine) == ["mine"]
    assert names(target) == ["mine"]
    assert names(tmp_path) == ["plan"]


@pytest.mark.parametrize(
    ("name", "file_name"),
    [
        ("ams-1.core_2", "ams-1.core_2"),
        ("", "%"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        (".hidden", "%2Ehidden"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("Zürich", "Z%C3%BCrich"),
        ("a b\n", "a%20b%0A"),
        ("con", "%63on"),
        ("NUL.txt", "%4EUL.txt"),
        ("trailing.", "trailing%2E"),
    ],
)
def test_unsafe_names_are_encoded(name: str, file_name: str) -> None:
    assert safe_file_name(name) == file_name


@given(st.text(), st.text())
def test_different_names_give_different_safe_files(one: str, other: str) -> None:
    files = [safe_file_name(one), safe_file_name(other)]
    assert (files[0] == files[1]) == (one == other)
    for file in files:
        assert 0 < len(file.encode()) <= atomic.MAX_NAME_BYTES
        assert Path("d", file).parent == Path("d")
        assert not file.startswith(".")


def test_long_names_are_cut_and_stay_apart() -> None:
    one, other = safe_file_name("x" * 500), safe_file_name("x" * 501)
    assert one != other
    assert max(len(one), len(other)) <= atomic.MAX_NAME_BYTES
    assert safe_file_name(one) != one
