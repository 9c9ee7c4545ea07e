"""Files written whole: a reader finds the old content or the new, never a part of either."""

import contextlib
import errno
import json
import math
import os
import secrets
from collections.abc import Iterator
from typing import Any, BinaryIO

REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be too large",
    errno.EIO: "the disk failed",
    errno.EROFS: "the disk is read-only",
    errno.ENOENT: "the folder does not exist",
    errno.ENOTDIR: "its folder is a file",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EISDIR: "it is a folder",
}


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Open a binary file that takes its place at ``path`` only once it is complete.

    The bytes go to a hidden temporary file ``.name.*.tmp`` in the same folder, are forced to the
    disk (fsync) and then renamed over ``path``. Where the block raises, the temporary file is
    removed and an older file at ``path`` is left as it was. A process killed in between leaves
    the older file and a temporary one that nobody reads. A symbolic link is written through.

    Raises OSError of the fitting kind (FileNotFoundError, PermissionError, ...) naming ``path``.
    """
    path = os.fspath(path)
    target = os.path.realpath(path)
    try:
        if os.path.exists(target) and not os.path.isfile(target):
            kind = errno.EISDIR if os.path.isdir(target) else errno.EINVAL
            raise OSError(kind, "not a regular file")
        temporary, handle = _temporary_beside(target)
    except OSError as error:
        raise _named(error, path) from error
    try:
        with handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        if os.path.exists(target):
            os.chmod(temporary, os.stat(target).st_mode & 0o7777)
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and _is_ours(error, temporary):
            raise _named(error, path) from error
        raise
    _sync_folder(os.path.dirname(target))


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write ``text`` as UTF-8, whole (see ``atomic_write``)."""
    with atomic_write(path) as handle:
        handle.write(text.encode("utf-8"))


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write ``value`` as indented JSON, whole; NaN and infinities, which JSON lacks, as null.

    Raises TypeError for a value that JSON cannot hold, before anything is written.
    """
    write_text(path, json.dumps(_finite(value), indent=2, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    """``value`` with every number that is not finite replaced by None."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _temporary_beside(target: str) -> tuple[str, BinaryIO]:
    """Create a new file in the folder of ``target``, with the permissions the umask gives."""
    folder, name = os.path.split(target)
    # Shortened so that a name of the greatest allowed length still has room for the suffix.
    temporary = os.path.join(folder, f".{name[:60]}.{secrets.token_hex(4)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return temporary, os.fdopen(os.open(temporary, flags, 0o666), "wb")


def _sync_folder(folder: str) -> None:
    """Force the rename to the disk. The file is in place by now, so a failure here is no error:
    some file systems cannot do it.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_ours(error: OSError, temporary: str) -> bool:
    """Whether the file being written failed, and not some other one that the caller works on."""
    return error.filename == temporary or (error.filename is None and error.errno in REASONS)


def _named(error: OSError, path: str) -> OSError:
    """The same error, of the same kind, saying which file could not be written and why."""
    reason = REASONS.get(error.errno, error.strerror or str(error))
    return OSError(error.errno, f"cannot write the file, {reason}", path)
