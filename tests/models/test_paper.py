"""The paper's Table 1 comes out of the graphs."""

from minifcn.models.paper import structures, table1


def test_the_structural_rows():
    alexnet, vgg16, googlenet = structures()
    assert [c.depth for c in (alexnet, vgg16, googlenet)] == [8, 16, 22]
    assert [c.parameters for c in (alexnet, vgg16, googlenet)] == [
        56_954_261,
        134_346_581,
        5_995_077,
    ]
    assert [c.field for c in (alexnet, vgg16, googlenet)] == [355, 404, 715]
    assert [c.field_pooled for c in (alexnet, vgg16, googlenet)] == [None, None, 907]
    assert {c.stride for c in (alexnet, vgg16, googlenet)} == {32}
    assert [c.convolutions for c in (alexnet, vgg16, googlenet)] == [8, 16, 58]


def test_as_text():
    lines = table1().splitlines()
    assert lines[0].split() == ["FCN-AlexNet", "FCN-VGG16", "FCN-GoogLeNet"]
    rounded = next(line for line in lines if line.split() and line.split()[0] == "57M")
    assert rounded.split() == ["57M", "134M", "6M"]
    assert "six strides of 32 more than 715" in lines[-2]
