"""A short form of fuzz.py: damaged files are read or refused, and nothing else happens."""

import sys

import fuzz
import pytest

COUNT = 400
NEEDS = {"caffemodel": "google.protobuf", "prototxt": "google.protobuf", "keras": "h5py"}


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does it")
@pytest.mark.parametrize("reader", fuzz.READERS)
def test_damaged_files_are_read_or_refused(tmp_path, reader):
    if reader in NEEDS:
        pytest.importorskip(NEEDS[reader])
    found = fuzz.fuzz(reader, COUNT, keep=tmp_path / "failed")
    reports = [path.read_text() for path in tmp_path.glob("failed/*.txt")]
    assert set(found) <= {"read", "refused"}, reports
    assert sum(found.values()) == COUNT
    assert found["refused"] > COUNT / 3


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does it")
@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (0, "read"),
        (1, "refused"),
        (2, "an error that is no sentence"),
        (3, "another error: KeyError"),
        (4, "more than 200 MB"),
        (5, "too slow"),
        (6, "crashed or stuck"),
        (7, "crashed or stuck"),
    ],
)
def test_what_goes_wrong_is_seen(monkeypatch, number, outcome):
    """The harness itself: a reader that misbehaves in every way. It runs in a fresh process."""
    monkeypatch.setenv("FUZZ_MISBEHAVE", str(number))
    (found,) = fuzz.fuzz("misbehaving", 1).elements()
    assert found.startswith(outcome)
