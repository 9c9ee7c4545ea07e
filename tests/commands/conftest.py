"""A data set of a dozen drawn scenes, a run that was trained on it, and calls of the program."""

import re
import shutil

import pytest
from cli_program import NARROW

from minifcn import backends, cli, data


@pytest.fixture(autouse=True)
def _backend():
    """--backend sets it for good: put it back."""
    with backends.use_backend(backends.current_backend()):
        yield


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Twelve drawn scenes of 32x40 pixels."""
    folder = tmp_path_factory.mktemp("data") / "scenes"
    return data.make_scenes(folder, num_train=8, num_val=4, size=(32, 40), progress=False)


@pytest.fixture(scope="module")
def run_folder(scenes, tmp_path_factory):
    """A short training run on them."""
    folder = tmp_path_factory.mktemp("runs") / "train"
    options = ["--iterations", "5", "--batch-size", "3", "--out", str(folder)]
    assert cli.main(["train", "--data", str(scenes), *NARROW, *options]) == 0
    return folder


@pytest.fixture
def voc(scenes, tmp_path):
    """The scenes as a copy that is only a VOC data set, to be damaged."""
    folder = tmp_path / "voc"
    shutil.copytree(scenes, folder)
    (folder / "scenes.json").unlink()
    return folder


@pytest.fixture
def call(capsys):
    """Run a command in this process: (exit code, standard output, standard error)."""

    def call(*argv):
        try:
            code = cli.main([str(a) for a in argv])
        except SystemExit as exit_:
            code = exit_.code
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def error(call):
    """Run a command that must fail: its exit code and the one line that it says."""

    def error(*argv):
        code, _, text = call(*argv)
        assert code != 0
        assert text.endswith("\n")
        assert text.count("\n") == 1, text
        assert re.match(r"minifcn( \w+)?: error: ", text)
        return code, text

    return error
