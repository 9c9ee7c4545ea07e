"""minifcn lectures: what it prints and writes, and its one-line errors."""

import pytest
from lecture_cells import made, markdown, write

from minifcn import cli


@pytest.fixture
def call(capsys):
    def call(*argv):
        try:
            code = cli.main(["lectures", *map(str, argv)])
        except SystemExit as exit_:
            code = exit_.code
        return (code, *capsys.readouterr())

    return call


def test_build_writes_and_says_what(call, tmp_path):
    made(tmp_path)
    out = tmp_path / "a" / "b"
    code, printed, err = call("build", "-o", out, "--tutorials", tmp_path)
    assert (code, err) == (0, "")
    size = (out / "03_made.html").stat().st_size
    assert printed == f"03_made.html: 4 slides, {size / 1e3:.0f} kB\n{out}: 2 files\n"
    assert sorted(path.name for path in out.iterdir()) == ["03_made.html", "index.html"]


def test_numbers_choose(call, tmp_path):
    made(tmp_path)
    write(tmp_path, markdown("# 12 · Why?"), markdown("x", "slide"), name="12_two.ipynb")
    code, _, _ = call("build", "--tutorials", tmp_path, "12", "-o", tmp_path / "out")
    assert code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["12_two.html"]
    code, printed, _ = call("check", "--tutorials", tmp_path, "3")
    assert code == 0
    assert printed.startswith("03_made.html: 4 slides")


def test_check_writes_nothing(call, tmp_path, monkeypatch):
    (tmp_path / "tutorials").mkdir()
    made(tmp_path / "tutorials")
    monkeypatch.chdir(tmp_path)
    code, printed, err = call("check")
    assert (code, err) == (0, "")
    assert printed.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["tutorials"]


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["build", "--tutorials", "none"], 1, "none: there is no such folder of tutorials"),
        (["check", "07"], 1, "tutorials: no tutorial 07; there are: 03"),
        (["build", "-o", ""], 2, "--out is empty"),
        (["build", "-o", "file"], 1, "file"),
        (["build", "x"], 2, "'x' is no number of a tutorial"),
        (["draw"], 2, "invalid choice: 'draw'"),
        ([], 2, "required: ACTION"),
    ],
)
def test_errors_are_one_line(call, tmp_path, monkeypatch, argv, code, said):
    (tmp_path / "tutorials").mkdir()
    made(tmp_path / "tutorials")
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    found, out, err = call(*argv)
    assert (found, out) == (code, "")
    assert said in err
    assert err.startswith("minifcn")
    assert err.count("\n") == 1
    with pytest.raises(ValueError, match="no such folder"):
        cli.main(["lectures", "check", "--tutorials", "none", "--traceback"])
