"""Drawings of graphs: boxes apart, arrows downwards and around the boxes, texts escaped."""

import xml.etree.ElementTree as ElementTree
from itertools import combinations, pairwise

import numpy as np
import pytest

from minifcn.viz.graph import Edge, Node, draw_graph, graph_dot, graph_svg
from minifcn.viz.layered import layout

SVG = "{http://www.w3.org/2000/svg}"
NODES = [
    Node("x", "image", "1×3×64×64", "input"),
    Node("w", "conv1.weight", "8×3×3×3", "parameter"),
    ("c", "Conv2d", "1×8×64×64"),
    ("s", "Add"),
    Node("y", "loss <&\"'>", "()", "output"),
]
EDGES = [Edge("x", "c"), ("w", "c"), ("c", "s"), ("c", "s"), ("s", "y")]


def boxes(svg):
    """{label: (left, top, right, bottom)} of the boxes in the drawing."""
    group = ElementTree.fromstring(svg).find(f"{SVG}g")
    found = {}
    for child in group:
        if child.tag == f"{SVG}rect":
            x, y, w, h = (float(child.get(k)) for k in ("x", "y", "width", "height"))
            rectangle = (x, y, x + w, y + h)
        elif child.tag == f"{SVG}text" and not child.text.startswith("×"):
            found.setdefault(rectangle, child.text)
    return {label: rectangle for rectangle, label in found.items()}


def test_svg_holds_nodes_edges_and_texts():
    svg = graph_svg(NODES, EDGES, "a < b")
    root = ElementTree.fromstring(svg)
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "a < b" in texts
    assert "loss <&\"'>" in texts
    assert "8×3×3×3" in texts
    assert "×2" in texts  # the two edges from Conv2d to Add
    arrows = [p for p in root.iter(f"{SVG}path") if p.get("marker-end")]
    assert len(arrows) == 4
    assert len({r.get("fill") for r in root.iter(f"{SVG}rect")}) == 5  # four kinds and the page
    assert svg == graph_svg(NODES, EDGES, "a < b")


def test_layers_run_downwards_with_sources_above_their_use():
    nodes = [(k, k) for k in ("in", "f", "g", "h", "w")]
    edges = [("in", "f"), ("f", "g"), ("g", "h"), ("w", "h"), ("in", "h")]
    top = {label: rectangle[1] for label, rectangle in boxes(graph_svg(nodes, edges)).items()}
    assert top["in"] < top["f"] < top["g"] < top["h"]
    assert top["w"] == top["g"]


def test_texts_fit_their_boxes():
    label, sublabel = "a_label_of_some_length", "and an even longer line below it, in small"
    ((left, _, right, _),) = boxes(graph_svg([(1, label, sublabel)], [])).values()
    assert right - left > max(len(label) * 13, len(sublabel) * 10.5) * 0.6


def random_graph(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 25))
    sizes = [tuple(map(float, rng.integers(10, 90, 2))) for _ in range(n)]
    order = rng.permutation(n)
    links = {(int(order[i]), int(order[j])) for i, j in combinations(range(n), 2)}
    return sizes, [link for link in sorted(links) if rng.random() < 2.5 / n]


@pytest.mark.parametrize("seed", range(40))
def test_layout_keeps_boxes_apart_and_links_outside_them(seed):
    sizes, links = random_graph(seed)
    placed = layout(sizes, links, gap_x=18, gap_y=30, bend=12)
    rectangles = [
        (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        for (x, y), (w, h) in zip(placed.centres, sizes, strict=True)
    ]
    for left, top, right, bottom in rectangles:
        assert left >= -1e-6
        assert top >= -1e-6
        assert right <= placed.width + 1e-6
        assert bottom <= placed.height + 1e-6
    for a, b in combinations(rectangles, 2):
        beside = a[2] + 18 <= b[0] + 1e-6 or b[2] + 18 <= a[0] + 1e-6
        below = a[3] + 30 <= b[1] + 1e-6 or b[3] + 30 <= a[1] + 1e-6
        assert beside or below
    assert set(placed.routes) == set(links)
    for (source, target), route in placed.routes.items():
        (x0, _), (_, y0), (x1, _), (_, y1) = route[0], route[0], route[-1], route[-1]
        assert (x0, y0) == (placed.centres[source][0], rectangles[source][3])
        assert (x1, y1) == (placed.centres[target][0], rectangles[target][1])
        for (xa, ya), (xb, yb) in pairwise(route):
            assert ya < yb
            for left, top, right, bottom in rectangles:
                # The curve of a piece stays within the rectangle of its two ends.
                apart = max(xa, xb) < left or min(xa, xb) > right
                assert apart or yb <= top + 1e-6 or ya >= bottom - 1e-6


def test_a_trunk_with_parameters_runs_straight():
    nodes, edges = [(0, "f0")], []
    for k in range(1, 20):
        nodes += [(k, f"f{k}"), (-k, f"w{k}", "", "parameter")]
        edges += [(k - 1, k), (-k, k)]
    centres = {
        label: (left + right) / 2
        for label, (left, _, right, _) in boxes(graph_svg(nodes, edges)).items()
    }
    trunk = [centres[f"f{k}"] for k in range(20)]
    assert max(trunk) - min(trunk) < 30


def test_long_chains_and_no_nodes_at_all():
    n = 2000
    svg = graph_svg([(k, "Add") for k in range(n)], [(k, k + 1) for k in range(n - 1)])
    assert svg.count("<rect") == n + 1
    ElementTree.fromstring(graph_svg([], []))
    assert graph_dot([], []).startswith("digraph {")


@pytest.mark.parametrize(
    ("nodes", "edges", "text"),
    [
        ([(1, "a"), (1, "b")], [], "two nodes have the id 1"),
        ([(1, "a")], [(1, 2)], r"the edge \(1, 2\) names 2"),
        ([(1, "a"), (2, "b"), (3, "c")], [(1, 2), (2, 3), (3, 2)], r"cycle .* \[1, 2\]"),
        ([(1, "a")], [(1, 1)], "cycle"),
    ],
)
def test_no_graph(nodes, edges, text):
    with pytest.raises(ValueError, match=text):
        graph_svg(nodes, edges)


def test_dot_text():
    nodes = [("a", 'say "hi"\\', "1×2"), ("b", "f", "", "parameter")]
    assert graph_dot(nodes, [("a", "b"), ("a", "b")], "t").splitlines() == [
        "digraph {",
        '  label="t"; labelloc=t;',
        '  node [shape=box, style="rounded,filled", fontname=monospace];',
        '  n0 [label="say \\"hi\\"\\\\\\n1×2", fillcolor="#dbe9f6", color="#2f6ea5"];',
        '  n1 [label="f", fillcolor="#fde8cf", color="#b8741a"];',
        "  n0 -> n1;",
        "  n0 -> n1;",
        "}",
    ]


def test_files_by_suffix(tmp_path):
    draw_graph(tmp_path / "g.svg", NODES, EDGES, "t")
    assert (tmp_path / "g.svg").read_text(encoding="utf-8") == graph_svg(NODES, EDGES, "t")
    draw_graph(tmp_path / "g.DOT", NODES, EDGES)
    assert (tmp_path / "g.DOT").read_text(encoding="utf-8") == graph_dot(NODES, EDGES)
    with pytest.raises(ValueError, match=r"g\.png: the suffix must be"):
        draw_graph(tmp_path / "g.png", NODES, EDGES)
