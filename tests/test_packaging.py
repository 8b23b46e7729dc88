"""What is shipped: a wheel, and an editable checkout, each in an environment of its own.

The environments take their dependencies from the one that the tests run in, so that nothing is downloaded; only
graydns itself comes from what was built here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parent.parent

#: What the build reads; a copy of it cannot carry a stale ``build/`` along.
SOURCES = ("LICENSE", "README.md", "pyproject.toml", "setup.cfg", "src", "twisted")

LIST_PLUGINS = """
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
assert "graydns" in {plugin.tapname for plugin in getPlugins(IServiceMaker)}
from twisted.plugins import graydns_plugin
print(graydns_plugin.__file__)
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, links kept as links, without anything that a build left behind."""
    copy = tmp_path_factory.mktemp("checkout")
    leftovers = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dropin.cache")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=leftovers)
        else:
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from an sdist built from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(checkout), cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def fresh_environment(folder: Path, *install: str) -> Path:
    """A new virtual environment in *folder* with *install*ed into it; its ``bin`` folder."""
    run(sys.executable, "-m", "venv", "--without-pip", str(folder), cwd=ROOT)
    lend_dependencies(Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})))
    options = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation")
    run(str(folder / "bin" / "python"), "-m", "pip", "install", *options, *install, cwd=folder)
    return folder / "bin"


def lend_dependencies(site: Path) -> None:
    """Link what is installed here into *site*, except graydns; Twisted is copied, as a plugin is put into it."""
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.name == "twisted":
            unwanted = shutil.ignore_patterns("graydns_plugin*", "dropin.cache", "test")
            shutil.copytree(entry, site / "twisted", ignore=unwanted)
        elif "graydns" not in entry.name and not (site / entry.name).exists():
            (site / entry.name).symlink_to(entry)


@pytest.fixture(scope="module", params=["wheel", "editable"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of an environment that graydns was installed into."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "wheel":
        return fresh_environment(folder, str(request.getfixturevalue("wheel")))
    return fresh_environment(folder, "--editable", str(request.getfixturevalue("checkout")))


def run(*command: str, cwd: Path) -> str:
    """What *command* printed; a failure shows both of its outputs."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_wheel_holds_the_package_and_its_plugin_and_nothing_else(wheel: Path) -> None:
    """The wheel has the plugin, the type markers and the license, and no cache, test or tool."""
    names = zipfile.ZipFile(wheel).namelist()
    assert "twisted/plugins/graydns_plugin.py" in names
    assert {"graydns/py.typed", "txconsul/py.typed"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.endswith(("dropin.cache", ".pyc", "__init__.py")) and "twisted" in name]
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"graydns", "twisted", "txconsul"}


def test_wheel_runs_on_any_machine(wheel: Path) -> None:
    """The wheel needs no compiler: it is pure Python."""
    assert wheel.name.endswith("-py3-none-any.whl")


def test_wheel_holds_every_module(wheel: Path) -> None:
    """No module of the checkout is forgotten."""
    packages = (ROOT / "src" / "graydns", ROOT / "src" / "txconsul")
    modules = {str(path.relative_to(ROOT / "src")) for each in packages for path in each.rglob("*.py")}
    assert modules <= set(zipfile.ZipFile(wheel).namelist())


def test_installed_twisted_knows_the_plugin(installed: Path, tmp_path: Path) -> None:
    """From another folder than the checkout's, Twisted lists the service, out of what was installed here."""
    found = run(str(installed / "python"), "-c", LIST_PLUGINS, cwd=tmp_path).strip()
    assert Path(found).is_relative_to(tmp_path.parent)


def test_installed_graydns_is_the_one_in_the_environment(installed: Path, tmp_path: Path) -> None:
    """The environment's own graydns is what these tests look at, not the one beside them."""
    found = run(str(installed / "python"), "-c", "import graydns; print(graydns.__file__)", cwd=tmp_path).strip()
    assert Path(found).is_relative_to(tmp_path.parent)


def test_installed_twistd_explains_the_service(installed: Path, tmp_path: Path) -> None:
    """``twistd graydns --help`` loads the service and says how to give it a configuration."""
    twistd = "from twisted.scripts.twistd import run; import sys; sys.argv[0] = 'twistd'; run()"
    assert "--config" in run(str(installed / "python"), "-c", twistd, "graydns", "--help", cwd=tmp_path)


def test_installed_command_line_tool_starts(installed: Path, tmp_path: Path) -> None:
    """``graydnsctl --help`` works."""
    assert "check" in run(str(installed / "graydnsctl"), "--help", cwd=tmp_path)
