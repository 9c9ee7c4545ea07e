"""Large files of weights are mapped: a net costs the file and itself, and nothing twice."""

import subprocess
import sys

import pytest

from minifcn import io, models, nn

pytest.importorskip("google.protobuf")

PROGRAM = """
import sys
from minifcn import backends, train
from minifcn.data import VOC_CLASSES  # what is imported later is no memory of the file's

def most():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024

backends.prepare()
train.load_model(sys.argv[1], "lenet")  # brings what the reader imports
before = most()
net, spec = train.load_model(sys.argv[2], "vgg16")
print(most() - before, 4 * net.num_parameters())
"""
SAVED = {
    "safetensors": io.save_tensors,
    "caffemodel": io.save_caffemodel,
    "pth": io.save_pytorch,
}


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("ending", SAVED)
def test_a_large_file_costs_the_file_and_the_net(tmp_path, ending):
    """VGG-16's convolutions and fc6, fc7 for few classes: 477 MB."""
    small, large = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    with nn.init.without_values():
        SAVED[ending](small, models.build("lenet").state_dict())
        SAVED[ending](large, models.build("vgg16", 2).state_dict())
    command = [sys.executable, "-c", PROGRAM, small, large]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    size = large.stat().st_size
    large.unlink()  # pytest keeps the folders of several runs
    extra, net = map(int, found.stdout.split())
    assert net > 400e6
    assert extra < size + net + 8e6
