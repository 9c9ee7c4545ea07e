"""What is installed: a wheel with all of the code and nothing else."""

import configparser
import importlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import minifcn

ROOT = Path(__file__).resolve().parent.parent
TOP = ("minifcn", "kernels", "tests", "tutorials", "benchmarks")  # folders of the project
FILES = ("setup.cfg", "pyproject.toml", "LICENSE", "README.md")
CACHES = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.pyc", "runs")

pytestmark = pytest.mark.skipif(
    not (ROOT / "setup.cfg").is_file(), reason="these are tests of the project's own folder"
)


@pytest.fixture(scope="module")
def config():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def modules():
    """The names of all modules on the disk, as they are installed."""
    for top, name in (("minifcn", "minifcn"), ("kernels", "minifcn.kernels")):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT / top).with_suffix("").parts
            yield ".".join((name, *parts)).removesuffix(".__init__")


def backend_offers(requirement):
    try:
        version = importlib.metadata.version("setuptools")
    except importlib.metadata.PackageNotFoundError:
        return False
    return int(version.split(".")[0]) >= requirement


def run(*command, **options):
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(folder, what):
    """Call the build backend in a folder, as pip does: the path of the wheel or sdist."""
    dist = folder / "dist"
    dist.mkdir(exist_ok=True)
    code = f"import setuptools.build_meta as b; print(b.build_{what}({str(dist)!r}))"
    return dist / run(sys.executable, "-c", code, cwd=folder).splitlines()[-1]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the project with one more kernel, in a language that is not Python."""
    if not backend_offers(77):
        pytest.skip("building needs setuptools 77 or newer")
    folder = tmp_path_factory.mktemp("build") / "project"
    for name in filter(lambda name: (ROOT / name).is_dir(), TOP):
        shutil.copytree(ROOT / name, folder / name, ignore=CACHES)
    for name in filter(lambda name: (ROOT / name).is_file(), FILES):
        shutil.copy(ROOT / name, folder / name)
    (folder / "kernels" / "reference" / "probe.cu").write_text("// nothing\n")
    return folder


@pytest.fixture(scope="module")
def wheel(copy):
    return build(copy, "wheel")


def wheel_names(path):
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


CODE = (".py", ".cu", ".cuh", ".h", ".html", ".css", ".js")


def installed_files():
    """Where every file of the project's code is installed."""
    paths = [p for top in ("minifcn", "kernels") for p in (ROOT / top).rglob("*.*")]
    names = [p.relative_to(ROOT).as_posix() for p in paths if p.suffix in CODE]
    return {f"minifcn/{name}" if name.startswith("kernels/") else name for name in names}


def test_a_wheel_holds_the_code_and_nothing_else(wheel):
    names = wheel_names(wheel)
    info = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    assert names - info == installed_files() | {"minifcn/kernels/reference/probe.cu"}
    assert len(names - info) > 100
    assert f"minifcn-{minifcn.__version__}.dist-info/licenses/LICENSE" in info


def test_a_wheel_says_what_it_needs_and_offers(wheel, config):
    info = f"minifcn-{minifcn.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"{info}/METADATA").decode()
        entry_points = archive.read(f"{info}/entry_points.txt").decode()
        licence = archive.read(f"{info}/licenses/LICENSE").decode()
    assert entry_points.split() == ["[console_scripts]", "minifcn", "=", "minifcn.cli:main"]
    assert licence == (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "\nName: minifcn\n" in metadata
    assert f"\nVersion: {minifcn.__version__}\n" in metadata
    needed = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)", metadata, re.MULTILINE)
    wanted = config["options"]["install_requires"].split("\n")
    assert needed == [re.match(r"[\w-]+", line)[0] for line in wanted if line]
    assert "torch" not in needed


def test_a_wheel_works_where_it_is_unpacked(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import sys; sys.path.insert(0, 'site')\n"
        "import numpy, minifcn, minifcn.kernels.reference as reference\n"
        "from minifcn import cli\n"
        "for module in (minifcn, reference): print(module.__file__)\n"
        "cli.main(['summary', 'fcn8s-vgg16', '--width', '0.05', '--backend', 'reference'])\n"
    )
    lines = run(sys.executable, "-c", code, cwd=tmp_path).splitlines()
    for line in lines[:2]:
        assert Path(line).resolve().is_relative_to(tmp_path.resolve())
    assert lines[-1] == "offset of score: 31, 31"


def test_a_wheel_from_the_source_archive_is_the_same(copy, wheel, tmp_path):
    archive = build(copy, "sdist")
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):  # since Python 3.11.4
            tar.extraction_filter = tarfile.data_filter
        tar.extractall(tmp_path)
    (unpacked,) = tmp_path.iterdir()
    assert wheel_names(build(unpacked, "wheel")) == wheel_names(wheel)


def test_every_package_is_listed(config):
    listed = config["options"]["packages"].split()
    packages = [name for name in modules() if is_package(name)]
    assert sorted(listed) == sorted(packages)
    assert listed == sorted(listed)


def is_package(name):
    path = ROOT / name.removeprefix("minifcn.").replace(".", "/")
    path = path if name.startswith("minifcn.kernels") else ROOT / name.replace(".", "/")
    return (path / "__init__.py").is_file()


def test_every_folder_of_code_is_a_package():
    for top in ("minifcn", "kernels"):
        for path in (ROOT / top).rglob("*.py"):
            assert (path.parent / "__init__.py").is_file(), path


def test_one_version(config):
    assert config["metadata"]["version"] == minifcn.__version__
    assert importlib.metadata.version("minifcn") == minifcn.__version__


@pytest.mark.parametrize("name", list(modules()))
def test_every_module_imports(name):
    module = importlib.import_module(name)
    assert module.__doc__, "a module says what it is for"


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, minifcn, minifcn.cli, minifcn.models, minifcn.data, minifcn.train\n"
        "minifcn.cli.parser()\n"
        "print(*(n for n in ('numba', 'cupy', 'matplotlib', 'torch', 'PIL') if n in sys.modules))"
    )
    assert run(sys.executable, "-c", code).split() == []


def test_no_file_names_a_place_on_this_machine():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("only a git checkout knows the project's files")
    listing = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = [name for name in run(*listing, cwd=ROOT).split("\0") if name]
    assert "setup.cfg" in names
    places = {str(ROOT), f"{Path.home()}/"}
    if ROOT.parent != ROOT.parent.parent:
        places.add(f"{ROOT.parent}/")
    pattern = re.compile("|".join([*map(re.escape, places - {"//"}), r"/(?:home|Users)/[a-z]"]))
    for name in names:
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):  # a picture; a file that was removed
            continue
        found = pattern.search(text)
        assert found is None, f"{name}: {found}"
