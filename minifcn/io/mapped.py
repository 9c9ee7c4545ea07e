"""Files as arrays of bytes that are read when they are used."""

import mmap
import os

from .kinds import WeightsError


def map_file(path: str | os.PathLike) -> mmap.mmap:
    """The whole file as a buffer. What is written to it stays in memory (copy on write).

    A file of 537 MB is mapped at once; its pages come into memory when somebody looks at them, and
    the system may drop them again. Raises WeightsError, naming the file, for one that is missing,
    empty or cannot be read.
    """
    path = os.fspath(path)
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise WeightsError(f"{path}: an empty file")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "no such file" if missing else error.strerror or str(error)
        raise WeightsError(f"{path}: {reason}") from error
