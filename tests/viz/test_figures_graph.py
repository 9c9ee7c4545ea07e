"""Graphs of computations: values and gradients are the engine's, texts are never run as code."""

import xml.etree.ElementTree as ElementTree
from math import exp, log, tanh

import numpy as np
import pytest
from PIL import Image

import minifcn as mf
from minifcn import functions as F
from minifcn import viz

SVG = "{http://www.w3.org/2000/svg}"


def told(nodes):
    """Name of each node -> its value and its gradient, None where it has none."""
    found = {}
    for node in nodes:
        parts = dict(part.split(" ", 1) for part in node.sublabel.split(", ") if part)
        numbers = {k: float(v.replace("−", "-")) for k, v in parts.items()}
        found[node.label.split(" = ")[0]] = numbers.get("value"), numbers.get("gradient")
    return found


def test_a_number_that_is_used_twice_gets_both_gradients():
    nodes, edges = viz.graph_of_expression("b = a + a; c = b * b", {"a": 3})
    assert told(nodes) == {"a": (3, 24), "b": (6, 12), "c": (36, 1)}
    assert [tuple(edge) for edge in edges] == [(0, 1), (0, 1), (1, 2), (1, 2)]
    assert [node.kind for node in nodes] == ["input", "function", "output"]


EXPRESSIONS = {
    "(a - b) * (a + b) / (a * a + 1)": lambda a, b: (a - b) * (a + b) / (a * a + 1),
    "u = exp(a * b); log(u + 1) - 2 * a": lambda a, b: log(exp(a * b) + 1) - 2 * a,
    "tanh(a) ** 3 + sigmoid(b)": lambda a, b: tanh(a) ** 3 + 1 / (1 + exp(-b)),
    "relu(a - 1) * b + relu(1 - a) * -b": lambda a, b: max(a - 1, 0) * b - max(1 - a, 0) * b,
    "h = a ** -0.5; +h * 2 ** 3 / b": lambda a, b: a**-0.5 * 8 / b,
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_values_and_gradients_are_right(text):
    function, (a, b), step = EXPRESSIONS[text], (0.7, 1.3), 1e-6
    nodes, _ = viz.graph_of_expression(text, {"a": a, "b": b})
    found = told(nodes)
    assert found["a"][1] == pytest.approx(
        (function(a + step, b) - function(a - step, b)) / (2 * step), rel=2e-3, abs=1e-6
    )
    assert found["b"][1] == pytest.approx(
        (function(a, b + step) - function(a, b - step)) / (2 * step), rel=2e-3, abs=1e-6
    )
    assert found[nodes[-1].label.split(" = ")[0]] == (
        pytest.approx(function(a, b), rel=1e-3),
        1,
    )


def test_matrices_and_names_of_steps():
    values = {"W": [[1, -2], [3, 0.5]], "x": [[2], [1]]}
    nodes, _ = viz.graph_of_expression("sum(relu(W @ x))", values)
    labels = {node.label: node.sublabel for node in nodes}
    assert labels["W"] == "value [[1 −2] [3 0.5]], gradient [[0 0] [2 1]]"
    assert labels["v1 = W @ x"] == "value [0 6.5], gradient [0 1]"
    assert labels["v3 = sum(v2)"] == "value 6.5, gradient 1"


def test_a_tensors_graph_leaves_everything_as_it_was():
    a, b = (mf.Tensor(np.array(v), requires_grad=True) for v in (2.0, 5.0))
    a.grad = np.array(7.0)
    kept = a.grad
    with viz.Watch() as watch:
        c = a * b
        y = F.relu(c * 3 - b)
    nodes, edges = viz.graph_of(y, {"a": a, "b": b, "c": c, "y": y}, watch)
    assert told(nodes) == {"a": (2, 15), "b": (5, 5), "c": (10, 3), "3": (None, None),
                           "v1": (30, 1), "v2": (25, 1), "y": (25, 1)}  # fmt: skip
    assert len(edges) == 7
    assert a.grad is kept
    assert b.grad is None
    y.backward()  # the graph is still there
    assert (a.grad, b.grad) == (22, 5)
    with pytest.raises(RuntimeError, match="freed"):
        viz.graph_of(y, {"a": a}, watch)


def test_without_watching_steps_have_gradients_only():
    a = mf.Tensor(np.array(2.0), requires_grad=True)
    nodes, _ = viz.graph_of((a * 3) * a)
    assert [(node.label, node.sublabel) for node in nodes] == [
        ("x1", "value 2, gradient 12"),
        ("v1 = x1 × ·", "gradient 2"),
        ("v2 = v1 × x1", "value 12, gradient 1"),
    ]


def test_a_layer_with_parameters():
    layer = mf.nn.Linear(3, 1)
    x = mf.Tensor(np.ones((1, 3), np.float32))
    with viz.Watch() as watch:
        y = layer(x).sum()
    names = {"x": x, **dict(layer.named_parameters())}
    nodes, _ = viz.graph_of(y, names, watch)
    kinds = {node.label: node.kind for node in nodes}
    assert kinds["x"] == "constant"
    assert kinds["weight"] == kinds["bias"] == "parameter"
    assert layer.weight.grad is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mf.Tensor(np.ones(3), requires_grad=True) * 2, r"shape \(3,\): take its sum"),
        (lambda: mf.Tensor(np.ones(())), "requires_grad=True"),
        (lambda: 3.0, "wants a tensor"),
    ],
)
def test_no_graph_of_it(make, message):
    with pytest.raises(ValueError, match=message):
        viz.graph_of(make())


REFUSED = {
    "__import__('os').system('echo hello')": "cannot be drawn",
    "a.__class__": "cannot be drawn",
    "a.data": "cannot be drawn",
    "().__class__.__base__.__subclasses__()": "cannot be drawn",
    "open('stolen')": "cannot be drawn",
    "exp.__globals__": "cannot be drawn",
    "exp(*[a])": "cannot be drawn",
    "exp(x=a)": "cannot be drawn",
    "exp(a, a)": "cannot be drawn",
    "(lambda: a)()": "cannot be drawn",
    "[a for a in (1, 2)]": "cannot be drawn",
    "a if a else a": "cannot be drawn",
    "a[0]": "cannot be drawn",
    "(b := a)": "cannot be drawn",
    "a += 1": "cannot be drawn",
    "b, c = a, a": "cannot be drawn",
    "b = c = a": "cannot be drawn",
    "import os": "cannot be drawn",
    "def f(): pass": "cannot be drawn",
    "a; a": "cannot be drawn",
    "True + a": "cannot be drawn",
    "1j * a": "cannot be drawn",
    "'a' + a": "cannot be drawn",
    "f'{a}'": "cannot be drawn",
    "a // 2": "cannot be drawn",
    "a << 9999": "cannot be drawn",
    "~a": "cannot be drawn",
    "await a": "cannot be",
    "exp + a": "'exp' is a function",
    "exp = a": "has a meaning already",
    "a = 2": "has a meaning already",
    "a + b": "'b' has no value: add b=NUMBER",
    "a ** a": "an exponent is a number here",
    "9 ** 9 ** 9 ** 9 * a": "no finite number",
    "1e999 * a": "not finite",
    "a * " + "9" * 400: "not finite",
    "1 / 0 * a": "divided by 0",
    "a / 0": "Div gives inf",
    "log(0 * a)": "Log gives -inf",
    "2 + 3": "depends on no name",
    "b = a * 2; a * 3": "b is computed, but not used",
    "": "no expression",
    "a +": "cannot be read: invalid syntax",
    "((((a": "cannot be read",
    "a\0": "cannot be read",
    "(" * 300 + "a" + ")" * 300: "cannot be read",
    "a" + " + a" * 150: "parts; a figure takes",
    "a" + " + a" * 5000: "letters; a figure takes",
    "-" * 900 + "a": "parts; a figure takes|cannot be read",
    "0xfor a": "cannot be",
    "'\\d' * a": "cannot be drawn",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:40] or "nothing")
def test_nothing_but_arithmetic_is_done(text, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stolen").write_text("secret")
    with pytest.raises(ValueError, match=REFUSED[text]) as caught:
        viz.graph_of_expression(text, {"a": 2})
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["stolen"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"a": np.nan}, "finite"),
        ({"a": []}, "finite number"),
        ({"a": [[1, 2], [3]]}, "neither a number nor rows"),
        ({"a": "3+4"}, "neither a number"),
        ({"a": 1, "b": 2}, "b is given, but not used"),
        ({"a": 1, "not a name": 2}, "cannot be the name of a value"),
        ({"a": 1, "exp": 2}, "cannot be the name of a value"),
    ],
)
def test_values_that_are_none(values, message):
    with pytest.raises(ValueError, match=message):
        viz.graph_of_expression("a * a", values)


def test_the_figure_has_a_box_a_node_and_texts_inside():
    figure = viz.figure_graph("b = a + a; c = b * b", {"a": 3})
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words.count("×2") == 2
    assert set(words) >= {"a", "b = a + a", "c = b × b", "value 36", "gradient 24"}
    again = viz.figure_graph(viz.graph_of_expression("b = a + a; c = b * b", {"a": 3}))
    assert figure.get_label() == again.get_label()
    assert "a: value 3, gradient 24" in figure.get_label()


def test_svg_speaks_and_keeps_its_text(tmp_path):
    figure = viz.figure_graph("a * b", {"a": 1, "b": 2})
    text = viz.drawing_svg(figure, "one & <two>")
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.get("aria-labelledby").split() == [title.get("id"), desc.get("id")]
    assert title.text == "one & <two>"
    assert desc.text == figure.get_label()
    assert "gradient 2" in {t.text for t in root.iter(f"{SVG}text")}
    assert "<dc:date>" not in text
    viz.save_drawing(tmp_path / "a.SVG", figure, "one & <two>")
    assert (tmp_path / "a.SVG").read_text(encoding="utf-8") == text


def test_png_speaks_and_equal_figures_are_equal_files(tmp_path):
    for name in "ab":
        figure = viz.figure_bilinear(3)
        viz.save_drawing(tmp_path / f"{name}.png", figure, "a title")
        viz.save_drawing(tmp_path / f"{name}.svg", figure, "a title")
    with Image.open(tmp_path / "a.png") as image:
        assert image.text["Title"] == "a title"
        assert image.text["Description"] == figure.get_label()
    for suffix in ("png", "svg"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    with pytest.raises(ValueError, match=r"a\.pdf: the suffix must be \.svg or \.png"):
        viz.save_drawing(tmp_path / "a.pdf", figure)
    assert not (tmp_path / "a.pdf").exists()
