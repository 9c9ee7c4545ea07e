"""Runs that are cut off or refused on the command line, and --resume."""

import json
import shutil
import signal
import sys
import time

import pytest
from cli_program import NARROW, read_csv, subprocess_of

from minifcn import io


def test_resume(call, error, scenes, tmp_path):
    run = tmp_path / "run"
    options = ["--iterations", "4", "--batch-size", "3", "--out", run]
    assert call("train", "--data", scenes, *NARROW, *options)[0] == 0
    code, text = error("train", "--data", scenes, *NARROW, *options)
    assert code == 1
    assert "holds a run already; choose another folder, or continue it with --resume" in text
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"iterations": 6}))
    code, out, _ = call("train", "--resume", run)
    assert code == 0
    assert "6 iterations" in out
    assert io.load_checkpoint(run / "last.safetensors").info["iteration"] == 6


def test_resume_with_data_that_moved(call, error, scenes, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(scenes, tmp_path / "old")
    options = ["--iterations", "1", *NARROW, "--out", run]
    assert call("train", "--data", tmp_path / "old", *options)[0] == 0
    (tmp_path / "old").rename(tmp_path / "new")
    code, text = error("train", "--resume", run)
    assert code == 1
    assert f"{tmp_path / 'old'}: no such folder" in text
    assert call("train", "--resume", run, "--data", tmp_path / "new")[0] == 0


def test_resume_takes_no_other_settings(error, run_folder):
    for option in (["--epochs", "60"], ["--batch-size", "2"], ["--out", "x"]):
        code, text = error("train", "--resume", run_folder, *option)
        assert code == 2
        assert f"{option[0]} cannot be given with --resume" in text


def test_resume_without_a_run(error, tmp_path):
    code, text = error("train", "--resume", tmp_path / "nothing")
    assert code == 1
    assert "nothing/config.json: no run to continue" in text


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_leaves_a_run_that_continues(call, scenes, tmp_path):
    run = tmp_path / "run"
    options = ["--iterations", "5000", "--batch-size", "2", "--out", run]
    # A shell starts what it runs in the background deaf to Ctrl-C, and so would be this process
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess_of("train", "--data", scenes, *NARROW, *options)
    signal.signal(signal.SIGINT, before)
    try:
        deadline = time.monotonic() + 60
        while not (run / "log.csv").exists() or len(read_csv(run / "log.csv")) < 12:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "no training within a minute"
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err.strip() == "minifcn: interrupted"
    assert out.endswith(f"stopped; continue with: minifcn train --resume {run}\n")
    state = io.load_checkpoint(run / "last.safetensors")
    assert state.info["iteration"] >= 4
    assert not list(run.glob(".*.tmp"))
    config = json.loads((run / "config.json").read_text())
    more = state.info["iteration"] + 2
    (run / "config.json").write_text(json.dumps(config | {"iterations": more}))
    assert call("train", "--resume", run)[0] == 0
    assert io.load_checkpoint(run / "last.safetensors").info["iteration"] == more
