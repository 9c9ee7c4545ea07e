"""Files are written whole: the old content or the new, whatever goes wrong in between."""

import errno
import json
import os
import pathlib
import signal
import stat
import subprocess
import sys

import pytest

from minifcn.io.atomic import atomic_write, write_json, write_text

ROOT_USER = hasattr(os, "geteuid") and os.geteuid() == 0


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "a.bin"
    for content in (b"first and longer", b"second"):
        with atomic_write(path) as handle:
            handle.write(content)
            assert not path.exists() or path.read_bytes() != content
        assert path.read_bytes() == content
    assert files(tmp_path) == ["a.bin"]


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def stop(part):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), atomic_write(path) as handle:
        stop(handle.write(b"half of the n"))
    assert path.read_bytes() == b"old"
    assert files(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_full_or_failing_disk_is_named_and_harmless(tmp_path, monkeypatch, call, code):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail(*args):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="the disk") as caught, atomic_write(path) as handle:
        handle.write(b"new")
    assert caught.value.errno == code
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert files(tmp_path) == ["a.bin"]


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_while_writing(tmp_path, monkeypatch):
    """The error comes from the operating system, at write or at the closing flush."""
    import minifcn.io.atomic as atomic

    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    real = atomic._temporary_beside

    def on_full_disk(target):
        temporary, handle = real(target)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, handle.fileno())
        os.close(full)
        return temporary, handle

    monkeypatch.setattr(atomic, "_temporary_beside", on_full_disk)
    for size in (3, 1 << 20):
        with (
            pytest.raises(OSError, match="the disk is full") as caught,
            atomic_write(path) as handle,
        ):
            handle.write(b"x" * size)
        assert caught.value.errno == errno.ENOSPC
        assert path.read_bytes() == b"old"
        assert files(tmp_path) == ["a.bin"]


def test_a_killed_process_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    program = (
        "import os, signal, sys\n"
        "from minifcn.io.atomic import atomic_write\n"
        "with atomic_write(sys.argv[1]) as handle:\n"
        "    handle.write(b'n' * 100_000)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    left = [name for name in files(tmp_path) if name != "a.bin"]
    assert len(left) == 1
    assert left[0].startswith(".a.bin.")
    assert left[0].endswith(".tmp")
    write_text(path, "new")
    assert path.read_text() == "new"


def test_missing_folder(tmp_path):
    path = tmp_path / "no" / "a.bin"
    with (
        pytest.raises(FileNotFoundError, match=r"the folder does not exist.*a\.bin"),
        atomic_write(path),
    ):
        pass


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "no").write_bytes(b"")
    with (
        pytest.raises(NotADirectoryError, match=r"its folder is a file.*a\.bin"),
        atomic_write(tmp_path / "no" / "a.bin"),
    ):
        pass


def test_target_that_is_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="it is a folder"), atomic_write(tmp_path):
        pass


@pytest.mark.skipif(not pathlib.Path("/dev/null").exists(), reason="needs /dev/null")
def test_a_device_is_not_replaced():
    with pytest.raises(OSError, match="not a regular file"), atomic_write("/dev/null"):
        pass
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.skipif(ROOT_USER, reason="the superuser may write everywhere")
def test_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with (
            pytest.raises(PermissionError, match=r"permission denied.*a\.bin"),
            atomic_write(tmp_path / "a.bin"),
        ):
            pass
    finally:
        tmp_path.chmod(0o700)


def test_permission_error_names_the_file(tmp_path, monkeypatch):
    def refuse(path, *args):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(os, "open", refuse)
    with (
        pytest.raises(PermissionError, match="permission denied") as caught,
        atomic_write(tmp_path / "a.bin"),
    ):
        pass
    assert caught.value.filename == str(tmp_path / "a.bin")


def test_the_caller_s_own_errors_pass_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError, match="other"), atomic_write(tmp_path / "a.bin"):
        (tmp_path / "other").read_bytes()
    with pytest.raises(OSError, match=r"^no luck$"), atomic_write(tmp_path / "a.bin"):
        raise OSError("no luck")
    assert files(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="permission bits are a POSIX matter")
def test_permissions_follow_the_umask_and_then_the_old_file(tmp_path):
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    (tmp_path / "a").chmod(0o604)
    write_text(tmp_path / "a", "y")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o604


@pytest.mark.skipif(os.name != "posix", reason="symbolic links may need rights elsewhere")
def test_a_symbolic_link_is_written_through(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "file")
    write_text(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "file").read_text() == "x"


def test_the_longest_name(tmp_path):
    write_text(tmp_path / ("n" * 255), "x")
    assert files(tmp_path) == ["n" * 255]


def test_text_is_utf8_with_its_own_line_ends(tmp_path):
    write_text(tmp_path / "t", "größe\r\nμ\n")
    assert (tmp_path / "t").read_bytes() == "größe\r\nμ\n".encode()


def test_json_has_no_nan(tmp_path):
    nan, inf = float("nan"), float("inf")
    write_json(tmp_path / "j", {"a": [1, nan, (2.5, -inf)], "b": "x", "c": None})
    text = (tmp_path / "j").read_text()

    def refuse(token):
        raise AssertionError(token)

    value = json.loads(text, parse_constant=refuse)
    assert value == {"a": [1, None, [2.5, None]], "b": "x", "c": None}
    assert text.endswith("}\n")


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "j", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "j", {"a": object()})
    assert (tmp_path / "j").read_text() == "1\n"
    assert files(tmp_path) == ["j"]
