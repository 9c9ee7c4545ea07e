"""TeX as MathML: what it means is kept, and what cannot be read is refused."""

from xml.etree import ElementTree

import pytest

from minifcn.lectures.formulas import KEPT, mathml

NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"
OFTEN = [
    r"y_{ij} = f_{ks}\left(\{x_{si+\delta i, sj+\delta j}\}_{0 \le \delta i, \delta j < k}\right)",
    r"\frac{\partial L}{\partial w} = \sum_{n,i,j} gy_{nij}\, x_{n,si+a,sj+b}",
    r"\begin{cases} x & x > 0 \\ 0 & \text{otherwise} \end{cases}",
    r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} \in \mathbb{R}^{N \times C}",
    r"\langle y, \mathrm{conv}(x, w) \rangle = \langle \operatorname{conv}^\top(y, w), x \rangle",
    r"\underbrace{a + b}_{c} \quad \hat{y} \approx \bar x \cdot \lVert v \rVert \ge 10^{-3}",
    r"\sqrt{2} \to \infty, \quad \prod_{i=1}^{n} \max_k z_k \neq \log \tfrac{1}{2}",
    r"k = 2f - f \bmod 2,\ \lfloor (H + 2p - k) / s \rfloor + 1",
]


def parsed(tex, display=False):
    return ElementTree.fromstring(mathml(tex, display))


def said(tex):
    return "".join(parsed(tex).itertext()).replace("\u2009", " ")


def tags(tex):
    return {element.tag.removeprefix(NAMESPACE) for element in parsed(tex).iter()}


@pytest.mark.parametrize("tex", OFTEN)
def test_formulas_of_tutorials_become_mathml_core(tex):
    for element in parsed(tex).iter():
        assert element.tag.startswith(NAMESPACE)
        assert set(element.attrib) <= KEPT | {"class"}
        assert "\\" not in (element.text or "")
        assert "&" not in (element.text or "")


def test_letters_and_signs():
    assert said(r"\alpha < b - 1") == "α<b−1"
    assert said(r"\text{a < b \& c}").replace("\xa0", " ") == "a < b & c"
    assert said(r"\texttt{score\_fr}") == "score_fr"
    assert said(r"\mathbf{W}\boldsymbol{x}\boldsymbol{h}\mathbb{R}") == "𝐖𝒙𝒉ℝ"
    assert said(r"50\%") == "50%"


def test_lines_of_their_own_or_within_text():
    assert parsed("x").get("display") == "inline"
    assert parsed("x", display=True).get("display") == "block"


def test_aligned_equations_are_a_table():
    for name in ("aligned", "align", "align*"):
        table = parsed(rf"\begin{{{name}}} a &= b \\ c &= d \end{{{name}}}")
        cells = table.findall(f".//{NAMESPACE}mtd")
        assert [cell.get("class") for cell in cells] == ["right", "left"] * 2
        assert ["".join(cell.itertext()) for cell in cells] == ["a", "=b", "c", "=d"]


@pytest.mark.parametrize("tex", [r"\operatorname*{arg\,max}_k x", r"\arg\max_k x"])
def test_arg_max_has_its_limit(tex):
    assert said(tex) == "arg maxkx"
    (limit,) = parsed(tex).iter(f"{NAMESPACE}msub")
    assert len(limit) == 2


def test_names_of_functions_keep_their_distance():
    for tex, space in ((r"a \log x", "0.17em"), (r"a \operatorname{softmax}(x)", "0em")):
        (name,) = (e for e in parsed(tex).iter(f"{NAMESPACE}mo") if (e.text or "").isalpha())
        assert (name.get("lspace"), name.get("rspace")) == ("0.17em", space)


def test_brackets_are_operators():
    assert "mo" in tags(r"\lfloor x \rfloor")
    assert [e.text for e in parsed(r"\langle x \rangle").iter(f"{NAMESPACE}mo")] == ["⟨", "⟩"]


def test_nothing_leads_out_of_the_page():
    text = mathml(r"\href{javascript:alert(1)}{x} \class{slide}{y} \text{<script>}")
    assert "javascript" not in text
    assert "class" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(
    ("tex", "reason"),
    [
        (r"\foo{x}", r"\\foo in \\foo"),
        (r"\frac{1}{", "no available tokens"),
        ("x^", "missing super script or subscript"),
        (r"\left( x", "extra left or missing right"),
        ("", "no available tokens"),
        ("a & b", "& in a & b"),
        ("a } b", "} in a } b"),
        (r"a \\ b", "outside of an environment"),
        (r"\begin{gather} a \end{gather}", "no environment 'gather'"),
        (r"\operatorname*{cool} x", r"\\operatorname\* in"),
    ],
)
def test_what_cannot_be_read_is_refused(tex, reason):
    with pytest.raises(ValueError, match=reason) as error:
        mathml(tex)
    assert str(error.value).startswith("TeX that cannot be read: ")
    assert "\n" not in str(error.value)
