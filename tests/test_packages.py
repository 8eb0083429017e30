"""What is built of pyunshare: complete, the same every time, and in working order.

The Debian package has a root of its own to be tried in: packaging/debian_package.
"""

from __future__ import annotations

import configparser
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import installing
from building import addresses, amalgamation
from tests.helpers import decoys, support
from tests.helpers.machine import needs
from tests.helpers.support import CHECKOUT, WITHOUT_SUBORDINATE_IDS

PACKAGING = CHECKOUT / "packaging"
RELEASE = PACKAGING / "release.py"
MADE_HERE = (".git", "build", "dist", "*.egg-info", ".?*_cache", ".tox", ".venv", ".hypothesis")
MADE_HERE += ("__pycache__", ".coverage*")
EPOCH = "1700000000"
INSTALLED_DATA = {
    "share/bash-completion/completions/pyunshare",
    "share/doc/pyunshare/apparmor/pyunshare",
    "share/fish/vendor_completions.d/pyunshare.fish",
    "share/man/man1/pyunshare.1",
    "share/zsh/site-functions/_pyunshare",
}


def release_module() -> ModuleType:
    """packaging/release.py as a module."""
    specification = importlib.util.spec_from_file_location("release", RELEASE)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def copy_of_checkout(umask: int = 0o022) -> Path:
    """The source as a clone under this umask has it, without git and what was built in it."""
    copy = support.new_directory() / "clone"
    shutil.copytree(CHECKOUT, copy, ignore=shutil.ignore_patterns(*MADE_HERE))
    for path in [copy, *copy.rglob("*")]:
        is_executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod((0o777 if is_executable else 0o666) & ~umask)
    return copy


def environment(**more: str) -> dict[str, str]:
    """An environment without what the tests' own installer has set, and without git."""
    return {
        **support.ENVIRONMENT,
        "PATH": programs_without_git(),
        "SOURCE_DATE_EPOCH": EPOCH,
        **more,
    }


def programs_without_git() -> str:
    """A PATH with the few programs that building needs."""
    directory = support.new_directory()
    for name in ("sh", "env", "tar"):
        found = shutil.which(name, path=support.STANDARD_PATH)
        assert found is not None
        (directory / name).symlink_to(found)
    return str(directory)


def build(source: Path, *options: str, umask: int = 0o022, **variables: str) -> Path:
    """Build from a source, for every machine, without network; return where that is now."""
    output = support.new_directory()
    line = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        str(output),
        *options,
        str(source),
    ]
    variables = {"PYUNSHARE_INTERPRETER": "python", **variables}
    before = os.umask(umask)
    try:
        subprocess.run(line, env=environment(**variables), check=True, stdout=subprocess.DEVNULL)
    finally:
        os.umask(before)
    return output


def hashes(directory: Path) -> dict[str, str]:
    """What identifies each file of a directory."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()
    }


@pytest.fixture(scope="module")
def dist() -> Path:
    """The sdist, and the wheel that is made from it."""
    return build(copy_of_checkout())


def the_sdist(dist: Path) -> Path:
    """The one sdist."""
    (path,) = dist.glob("*.tar.gz")
    return path


def the_wheel(dist: Path) -> Path:
    """The one wheel."""
    (path,) = dist.glob("*.whl")
    return path


def unpacked(sdist: Path) -> Path:
    """The directory that an sdist unpacks to."""
    directory = support.new_directory()
    subprocess.run(["tar", "-xf", str(sdist), "-C", str(directory)], check=True)
    (source,) = directory.iterdir()
    return source


# ---- versions -----------------------------------------------------------------------------------


def test_versions_are_all_the_same() -> None:
    release_module().the_version(CHECKOUT)


@pytest.mark.parametrize(
    "file",
    [
        "man/pyunshare.1",
        "packaging/alpine/APKBUILD",
        "packaging/arch/PKGBUILD",
        "packaging/debian/changelog",
        "packaging/rpm/pyunshare.spec",
    ],
)
def test_a_version_that_differs_is_named(file: str) -> None:
    release = release_module()
    source = copy_of_checkout()
    version = release.the_version(source)
    text = (source / file).read_text()
    assert version in text
    (source / file).write_text(text.replace(version, "7.7.7"))
    message = f"the version is {version}, and in {file} it is 7.7.7"
    with pytest.raises(release.ReleaseError, match=re.escape(message)):
        release.the_version(source)


# ---- addresses ----------------------------------------------------------------------------------


def test_addresses_and_versions_are_those_of_the_project() -> None:
    known = addresses.addresses()
    for name, pattern, template in addresses.PLACES:
        text = (CHECKOUT / name).read_text()
        for start, end in addresses.spans(text, pattern):
            assert text[start:end] == template.format_map(known), f"{name}: run: tox -e generate"


def test_no_address_stands_where_it_is_not_looked_after() -> None:
    """Nobody has to search for placeholders."""
    source = copy_of_checkout()
    (source / "setup.cfg").unlink()
    (source / "man" / "pyunshare.1").unlink()  # which is made anew together with the others
    for name in {name for name, _, _ in addresses.PLACES}:
        text = (source / name).read_text()
        for _, pattern, _ in (place for place in addresses.PLACES if place[0] == name):
            for start, end in addresses.spans(text, pattern):
                text = text[:start] + "." * (end - start) + text[end:]
        (source / name).write_text(text)
    placeholder = "pyunshare" + ".example"
    for path in filter(Path.is_file, source.rglob("*")):
        assert placeholder.encode() not in path.read_bytes(), path


def test_new_addresses_are_written_everywhere(tmp_path: Path) -> None:
    source = copy_of_checkout()
    settings = source / "setup.cfg"
    settings.write_text(settings.read_text().replace("pyunshare" + ".example", "new.example"))
    (source / "pyunshare" / "version.py").write_text('__version__ = "7.7.7"\n')
    line = [sys.executable, "-m", "building.addresses"]
    subprocess.run(line, cwd=source, check=True)
    written = "".join((source / name).read_text() for name, _, _ in addresses.PLACES)
    assert "maintainers@new.example" in written
    assert "pyunshare" + ".example" not in written
    for file in ("README.md", "docs/packaging.md", "packaging/rpm/pyunshare.spec"):
        assert "7.7.7" in (source / file).read_text()


def test_links_and_pictures_of_the_readme_lead_somewhere_on_pypi() -> None:
    readme = (CHECKOUT / "README.md").read_text()
    description = pytest.importorskip("building.description", reason="needs setuptools")
    on_pypi = description.on_its_own(readme, "1.2.3")
    known = addresses.addresses()
    starts = {kind: known[kind].format(version="1.2.3") for kind in ("files", "pictures")}
    targets = re.findall(r"\]\(([^)]*)\)", on_pypi)
    assert len(targets) == len(re.findall(r"\]\(", readme))
    assert all(target.startswith("https://") for target in targets)
    names = {re.sub(r"#.*", "", target) for target in targets if starts["files"] in target}
    pictures = {name for name in names if name.startswith(starts["pictures"])}
    assert pictures
    for name in names:
        start = starts["pictures" if name in pictures else "files"]
        assert (CHECKOUT / name[len(start) :]).exists(), name
        assert (name in pictures) == name.endswith(".svg")


# ---- sdist and wheel ----------------------------------------------------------------------------


@pytest.mark.thorough
@needs("build", "setuptools")
def test_the_sdist_has_every_file(dist: Path) -> None:
    with tarfile.open(the_sdist(dist)) as archive:
        packed = {member.name.partition("/")[2] for member in archive if member.isfile()}
    copy = copy_of_checkout()
    here = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert packed - {"PKG-INFO"} == here


@pytest.mark.thorough
@needs("build", "setuptools")
def test_the_wheel_has_every_file(dist: Path) -> None:
    with zipfile.ZipFile(the_wheel(dist)) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert archive.testzip() is None
        for entry in archive.infolist():
            mode = entry.external_attr >> 16
            assert mode & 0o555 == (0o555 if "/scripts/" in entry.filename else 0o444), entry
    data = the_wheel(dist).name.partition("-py3")[0] + ".data"
    package = CHECKOUT / "pyunshare"
    modules = {str(path.relative_to(CHECKOUT)) for path in package.rglob("*.py")}
    modules.add("pyunshare/__init__.pyi")
    assert names == {
        *modules,
        f"pyunshare/{amalgamation.NAME}.py",
        "pyunshare/py.typed",
        f"{data}/scripts/pyunshare",
        *(f"{data}/data/{name}" for name in INSTALLED_DATA),
    }


@pytest.mark.thorough
@needs("build", "setuptools")
@pytest.mark.parametrize(
    ("umask", "variables"),
    [(0o022, {"TZ": "Asia/Tokyo", "LC_ALL": "C"}), (0o077, {}), (0o002, {"PYTHONHASHSEED": "7"})],
    ids=str,
)
def test_built_twice_the_same(dist: Path, umask: int, variables: Mapping[str, str]) -> None:
    again = build(copy_of_checkout(umask), umask=umask, **variables)
    assert hashes(again) == hashes(dist)


@pytest.mark.thorough
@needs("build", "setuptools")
def test_built_from_the_sdist_the_same(dist: Path) -> None:
    assert hashes(build(unpacked(the_sdist(dist)))) == hashes(dist)


@pytest.mark.thorough
@needs("build", "setuptools")
def test_built_in_a_clone_with_git_the_same(dist: Path) -> None:
    copy = copy_of_checkout()
    if shutil.which("git") is None or not (CHECKOUT / ".git").exists():
        pytest.skip("there is no git here, or no clone")
    subprocess.run(["git", "init", "-q", str(copy)], check=True)
    assert hashes(build(copy, PATH=os.environ["PATH"])) == hashes(dist)


@pytest.mark.thorough
@needs("build", "setuptools")
def test_what_an_earlier_build_has_left_is_not_built_again(dist: Path) -> None:
    """As in a clone that pip has installed from, and git has brought up to date since."""
    copy = copy_of_checkout()
    left = copy / "build" / "lib" / "pyunshare"
    (left / "__pycache__").mkdir(parents=True)
    for name in ("gone.py", "amalgamation.cpython-39.pyc", "__pycache__/files.cpython-39.pyc"):
        (left / name).touch()
    (left / "files.py").write_text("newer than the source")
    built = build(copy, "--wheel")
    name = the_wheel(dist).name
    assert hashes(built) == {name: hashes(dist)[name]}


@pytest.mark.thorough
@needs("twine", "check-wheel-contents", "pyroma", "build", "setuptools")
def test_what_twine_check_wheel_contents_and_pyroma_say(dist: Path) -> None:
    files = [str(the_sdist(dist)), str(the_wheel(dist))]
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True)
    subprocess.run([sys.executable, "-m", "check_wheel_contents", files[1]], check=True)
    # pyroma uses the network for nothing but to see who owns the project on PyPI.
    subprocess.run([sys.executable, "-m", "pyroma", "--min", "10", files[0]], check=True)


@pytest.mark.thorough
@needs("root", "build", "setuptools")
def test_an_ordinary_user_builds_the_same(dist: Path) -> None:
    """By the system's Python, for that of the tests may be in a place that only root can enter."""
    python = "/usr/bin/python3"
    if not os.access(python, os.X_OK):
        pytest.skip("there is no /usr/bin/python3 here")
    installed = Path(sysconfig.get_path("purelib"))
    tools = support.new_directory() / "tools"
    for name in ("build", "packaging", "pyproject_hooks", "setuptools", "_distutils_hack", "wheel"):
        if (installed / name).exists():
            shutil.copytree(installed / name, tools / name)
    for metadata in installed.glob("*.dist-info"):
        shutil.copytree(metadata, tools / metadata.name)
    source = copy_of_checkout()
    output = support.new_directory()
    home = support.new_directory()
    user = WITHOUT_SUBORDINATE_IDS
    for path in [source, *source.rglob("*")]:
        os.chown(path, user.uid, user.gid)
    subprocess.run(
        [python, "-m", "build", "--no-isolation", "--outdir", str(output), str(source)],
        env=environment(PYTHONPATH=str(tools), HOME=str(home), PYUNSHARE_INTERPRETER="python"),
        cwd=home,
        user=user.uid,
        group=user.gid,
        extra_groups=[],
        umask=0o077,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    asked = [python, "-c", "import sys; print(sys.version_info[:2])"]
    version = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    if version == str(sys.version_info[:2]):  # else building/amalgamation.py may write otherwise
        assert hashes(output) == hashes(dist)
    assert sorted(hashes(output)) == sorted(hashes(dist))


@pytest.mark.thorough
@needs("build", "setuptools")
@pytest.mark.parametrize("epoch", ["0", "2147483648", "4294967296", ""])
def test_built_at_any_time(dist: Path, epoch: str) -> None:
    built = build(unpacked(the_sdist(dist)), SOURCE_DATE_EPOCH=epoch)
    with tarfile.open(the_sdist(built)) as archive:
        assert {str(int(member.mtime)) for member in archive} == {epoch} or not epoch


@pytest.mark.thorough
@needs("root", "build", "setuptools")
def test_built_without_network_by_who_alone_can_read_the_source(dist: Path) -> None:
    source, output = unpacked(the_sdist(dist)), support.new_directory()
    source.chmod(0o700)
    alone = [sys.executable, "-IS", str(CHECKOUT / "bin" / "pyunshare"), "--net"]
    line = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), str(source)]
    variables = environment(PYUNSHARE_INTERPRETER="python")
    subprocess.run([*alone, *line], env=variables, check=True, stdout=subprocess.DEVNULL)
    assert hashes(output) == hashes(dist)


def backend_says(modules: Path, **variables: str) -> str:
    """What the build backend ends with, where these modules are installed and no others."""
    statements = f"import sys; sys.path[1:1] = {[str(CHECKOUT / 'building'), str(modules)]!r}"
    return complaint(sys.executable, "-ISc", f"{statements}; import backend", **variables)


@pytest.mark.parametrize("found", ["52.0.0", "60.10.0", ""])
def test_what_setuptools_is_missing_is_named(found: str) -> None:
    modules = support.new_directory()
    if found:
        (modules / "setuptools.py").write_text(f"__version__ = '{found}'")
    said = backend_says(modules)
    missing = f" 61 or newer, and this is {found}" if found else ", which is missing"
    assert said == f"building pyunshare takes setuptools{missing}"


@pytest.mark.parametrize("epoch", ["yesterday", "-5", "1e9", "5000000000", "9" * 30])
def test_an_epoch_that_is_none_is_told_in_a_line(epoch: str) -> None:
    modules = support.new_directory()
    (modules / "setuptools.py").write_text("__version__ = '77.0.3'")
    said = backend_says(modules, SOURCE_DATE_EPOCH=epoch)
    assert said.startswith("SOURCE_DATE_EPOCH has to be a time") and said.endswith(f"'{epoch}'")


@pytest.mark.thorough
@needs("build")
def test_without_setuptools_what_is_missing_is_named() -> None:
    line = [sys.executable, "-ISc"]
    # -S leaves out all that is installed; build itself comes back by its path
    statements = (
        "import sys; sys.path.append(sys.argv.pop(1)); import build.__main__; "
        "build.__main__.main(sys.argv[1:])"
    )
    tools = support.new_directory()
    for name in ("build", "packaging", "pyproject_hooks"):
        shutil.copytree(Path(sysconfig.get_path("purelib")) / name, tools / name)
    shown = subprocess.run(
        [*line, statements, str(tools), "--no-isolation", str(copy_of_checkout())],
        env=environment(NO_COLOR="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 1
    assert "Traceback" not in shown.stderr
    assert re.search(r"dependencies[^\n]*:\s+setuptools", shown.stderr)


# ---- installed ----------------------------------------------------------------------------------

# Those of Debian 11, Red Hat Enterprise Linux 9, Ubuntu 22.04, and later ones; the newest
PIPS = ("20.3.4", "21.2.3", "22.0.2", "22.3", "23.0.1", "")


@pytest.fixture(scope="module")
def wheels() -> Path:
    """A directory of packages to install from without the network: setuptools, and each pip."""
    directory = support.new_directory()
    line = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(directory)]
    for package in ("setuptools>=70.1", *(f"pip=={pip}" if pip else "pip" for pip in PIPS)):
        if subprocess.run([*line, "--no-deps", package], check=False).returncode != 0:
            pytest.skip(f"there is no network to get {package} from")
    return directory


@pytest.fixture(scope="module")
def offline(wheels: Path) -> dict[str, str]:
    """Settings by which installers find what they build with, and do not use the network."""
    home = support.new_directory()
    return environment(
        HOME=str(home),
        PIP_FIND_LINKS=str(wheels),
        PIP_NO_INDEX="1",
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_NO_COMPILE="1",  # which takes longer than all the rest
        UV_FIND_LINKS=str(wheels),
        UV_OFFLINE="1",
        UV_PYTHON=sys.executable,
        UV_CACHE_DIR=str(home / "cache"),
        UV_TOOL_DIR=str(home / "tools"),
        UV_TOOL_BIN_DIR=str(home / "bin"),
        PIPX_HOME=str(home / "pipx"),
        PIPX_BIN_DIR=str(home / "bin"),
        PIPX_MAN_DIR=str(home / "man"),
        PIPX_DEFAULT_PYTHON=sys.executable,
        PATH=support.STANDARD_PATH,
    )


def install(installer: str, package: Path, variables: dict[str, str]) -> Path:
    """Install a package into a clean environment; return the command."""
    directory = support.new_directory()
    binaries = directory / "bin"
    variables = {**variables, "PIPX_BIN_DIR": str(binaries), "UV_TOOL_BIN_DIR": str(binaries)}
    variables["PIPX_HOME"] = variables["UV_TOOL_DIR"] = str(directory / "environments")
    if installer == "pip":
        subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
        line = [str(binaries / "python"), "-m", "pip", "install"]
    elif installer == "uv pip":
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True)
        line = [sys.executable, "-m", "uv", "pip", "install", "--python", str(binaries / "python")]
    else:
        line = [sys.executable, "-m", *installer.split(), "install"]
    subprocess.run([*line, str(package)], env=variables, check=True, capture_output=True)
    return binaries / "pyunshare"


def environment_with_pip(version: str, wheels: Path, variables: dict[str, str]) -> Path:
    """Make a virtual environment that has this pip, and setuptools; return its Python."""
    directory = support.new_directory()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True)
    python = directory / "bin" / "python"
    named = {path.name.split("-")[1]: path for path in wheels.glob("pip-*.whl")}
    (newest,) = named.keys() - set(PIPS)
    wheel = named[version or newest]
    line = [str(python), f"{wheel}/pip", "install", "--quiet", str(wheel), "setuptools"]
    shown = subprocess.run(line, env=variables, check=False, capture_output=True, text=True)
    if shown.returncode != 0:
        last_line = shown.stderr.strip().splitlines()[-1]
        pytest.skip(f"{wheel.name} does not run with this Python: {last_line}")
    return python


def check_isolation(command: Path) -> None:
    """Nothing that variables lead to is imported by this command."""
    assert command.read_text().splitlines()[0].endswith(" -ISXutf8")
    with decoys.none_run(support.new_directory()) as directory:
        hostile = decoys.environment(directory)
        shown = subprocess.run(
            [str(command), "-r", "id", "-u"],
            cwd=directory,
            env={**support.ENVIRONMENT, **hostile},
            capture_output=True,
            check=False,
        )
        assert (shown.stdout, shown.stderr) == (b"0\n", b"")


@pytest.mark.thorough
@needs("build", "setuptools", "user namespaces")
@pytest.mark.parametrize("version", PIPS)
def test_whichever_pip_installs_it_the_command_is_isolated(
    version: str, dist: Path, wheels: Path, offline: dict[str, str]
) -> None:
    python = environment_with_pip(version, wheels, offline)
    pip = [str(python), "-m", "pip"]
    command, sdist = python.with_name("pyunshare"), str(the_sdist(dist))
    built = str(support.new_directory())
    for steps in (
        [["install", sdist]],
        [["install", "--no-build-isolation", sdist]],
        [
            ["wheel", "--no-build-isolation", "--wheel-dir", built, sdist],
            ["install", "--find-links", built, "pyunshare"],
        ],
    ):
        for step in steps:
            subprocess.run([*pip, *step], env=offline, check=True, capture_output=True)
        check_isolation(command)
        uninstall = [*pip, "uninstall", "--yes", "pyunshare"]
        subprocess.run(uninstall, env=offline, check=True, capture_output=True)
        assert not command.exists()


@pytest.mark.thorough
@needs("build", "setuptools", "user namespaces", "uv")
@pytest.mark.parametrize("builder", ["build --no-isolation", "build", "uv build"])
def test_whatever_builds_a_wheel_the_command_is_isolated(
    builder: str, dist: Path, offline: dict[str, str]
) -> None:
    output = support.new_directory()
    line = [sys.executable, "-m", *builder.split(), "--wheel", str(copy_of_checkout())]
    option = "--out-dir" if builder == "uv build" else "--outdir"
    subprocess.run([*line, option, str(output)], env=offline, check=True, capture_output=True)
    assert not the_wheel(output).name.endswith("-any.whl")  # for it is not for any machine
    check_isolation(install("pip", the_wheel(output), offline))


INSTALLERS = ("pip", "pipx", "uv tool", "uv pip")


@pytest.mark.thorough
@needs("build", "pipx", "setuptools", "user namespaces", "uv")
@pytest.mark.parametrize("installer", INSTALLERS)
def test_what_a_packager_has_named_stays(installer: str, offline: dict[str, str]) -> None:
    interpreter = os.path.realpath(sys.executable)
    output = build(copy_of_checkout(), "--wheel", PYUNSHARE_INTERPRETER=interpreter)
    assert the_wheel(output).name.endswith("-py3-none-any.whl")
    command = install(installer, the_wheel(output), offline)
    assert command.read_text().startswith(f"#!{interpreter} -ISXutf8\n")
    check_isolation(command)


@pytest.mark.thorough
@needs("build", "setuptools", "twine", "check-wheel-contents", "uv", "user namespaces")
def test_a_released_wheel_has_bytecode(
    offline: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each Python that was there: neither uv nor a launch compiles anything."""
    release = release_module()
    monkeypatch.setattr(release, "pythons", lambda: [sys.executable])
    wheel = release.build_wheel(copy_of_checkout(), support.new_directory())
    command = install("uv tool", wheel, offline)
    (merged,) = command.resolve().parent.parent.glob("lib/python3*/site-packages/pyunshare/am*.py")
    assert merged.with_suffix("." + sys.implementation.cache_tag).exists()
    merged.write_text("raise AssertionError('this was compiled')")
    shown = subprocess.run(
        [str(command), "-r", "id", "-u"], env=support.ENVIRONMENT, capture_output=True, check=False
    )
    assert (shown.stdout, shown.stderr) == (b"0\n", b"")


@pytest.mark.thorough
@needs("build", "pipx", "setuptools", "user namespaces", "uv")
@pytest.mark.parametrize("installer", INSTALLERS)
@pytest.mark.parametrize("package", [the_sdist, the_wheel], ids=["sdist", "wheel"])
def test_installed_and_run(
    dist: Path, offline: dict[str, str], installer: str, package: Callable[[Path], Path]
) -> None:
    command = install(installer, package(dist), offline)
    if package is the_sdist:
        check_isolation(command)
    else:  # installers write the line, and with it the options, anew
        assert not command.read_text().splitlines()[0].endswith(" -ISXutf8")
    shown = subprocess.run(
        [str(command), "-r", "id", "-u"], env=support.ENVIRONMENT, capture_output=True, check=False
    )
    assert (shown.stdout, shown.stderr) == (b"0\n", b"")
    prefix = command.resolve().parent.parent
    assert [name for name in INSTALLED_DATA if not (prefix / name).is_file()] == []


@pytest.mark.thorough
@needs("setuptools")
def test_an_editable_installation_runs_the_source(offline: dict[str, str]) -> None:
    directory, source = support.new_directory(), copy_of_checkout()
    subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
    line = [str(directory / "bin" / "python"), "-m", "pip", "install", "--editable", str(source)]
    subprocess.run(line, env=offline, check=True, capture_output=True)
    changed = source / "pyunshare" / "version.py"
    changed.write_text(changed.read_text() + "__version__ = '7.7.7'\n")
    shown = subprocess.run(
        [str(directory / "bin" / "pyunshare"), "--version"],
        env=support.ENVIRONMENT,
        capture_output=True,
        check=True,
    )
    assert shown.stdout.startswith(b"pyunshare from pyunshare 7.7.7")
    assert (directory / "bin" / "pyunshare").read_text().splitlines()[0].endswith(" -ISXutf8")


def commands_of(document: str, section: str) -> list[str]:
    """The blocks of shell commands in one section of a document."""
    text = (CHECKOUT / document).read_text().partition(f"\n## {section}\n")[2]
    return re.findall(r"^```sh\n(.*?)^```$", text.partition("\n## ")[0], re.MULTILINE | re.DOTALL)


@pytest.mark.thorough
@needs("root", "setuptools", "mount", "man")
def test_uninstalled_as_the_documentation_says(offline: dict[str, str]) -> None:
    """In directories of its own: nothing is left but empty ones."""
    source = copy_of_checkout()
    installing = (CHECKOUT / "README.md").read_text().partition("\n# /usr/bin/python3 -m venv ")[2]
    lines = ["mkdir -p /usr/local/bin", f"{sys.executable} -m venv /opt/pyunshare"]
    lines += re.findall(r"^# (.*)$", installing.partition("\n# pyunshare")[0], re.MULTILINE)
    assert len(lines) == 4
    lines += [commands_of("docs/installing.md", "Manual page and completions")[0]]
    lines += ["pyunshare --version", "man pyunshare", "find /opt /usr/local ! -type d | wc -l"]
    lines += [commands_of("docs/installing.md", "Uninstalling")[0]]
    lines += ["find /opt /usr/local ! -type d"]
    script = "\n".join(lines)
    start = [sys.executable, "-IS", str(CHECKOUT / "bin" / "pyunshare"), "--mount", "--wd"]
    hidden = "mount -t tmpfs none /opt; mount -t tmpfs none /usr/local;"
    if sys.executable.startswith(("/opt", "/usr/local")):
        pytest.skip("this Python is where the test would hide it")
    shown = subprocess.run(
        [*start, str(source), "sh", "-euc", f"{hidden}\n{script}"],
        env={**offline, "MANPAGER": "cat", "PATH": f"/usr/local/bin:{support.STANDARD_PATH}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (shown.returncode, shown.stderr) == (0, ""), shown
    assert "pyunshare from pyunshare" in shown.stdout
    assert "NAME\n" in shown.stdout
    assert re.fullmatch(r"\d{3,}", shown.stdout.splitlines()[-1]), shown.stdout


def test_the_benchmarks_have_all_that_is_installed() -> None:
    settings = configparser.ConfigParser(interpolation=None, delimiters="=")
    settings.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    data = " ".join(settings["options.data_files"].values()).replace(",", " ").split()
    assert {Path(name).parts[0] for name in data} <= {*installing.NEEDED_TO_INSTALL}
    versions = re.findall(r":: 3\.(\d+)$", settings["metadata"]["classifiers"], re.MULTILINE)
    assert [*map(int, versions)] == [*installing.SUPPORTED]


def test_links_as_the_documentation_makes_and_removes_them(tmp_path: Path) -> None:
    """Of an installation by pipx or uv: what it has below share, and the command is a link."""
    where = tmp_path / "tools" / "pyunshare"
    for name in ("bin/pyunshare", "share/man/man1/pyunshare.1"):
        (where / name).parent.mkdir(parents=True)
        (where / name).touch()
    local = tmp_path / ".local"
    (local / "bin").mkdir(parents=True)
    (local / "bin" / "pyunshare").symlink_to(where / "bin" / "pyunshare")
    page = local / "share" / "man" / "man1" / "pyunshare.1"
    making = commands_of("docs/installing.md", "Manual page and completions")[1]
    removing = commands_of("docs/installing.md", "Uninstalling")[1].splitlines()[0]
    home = {**os.environ, "HOME": str(tmp_path)}
    for script, is_there in ((making, True), (removing, False)):
        subprocess.run(["sh", "-euc", script], env=home, check=True)
        assert page.exists() == page.is_symlink() == is_there


# ---- Arch and Alpine ----------------------------------------------------------------------------

RECIPES = ("packaging/arch/PKGBUILD", "packaging/alpine/APKBUILD")

# As makepkg and abuild call the functions, with the Python of the tests for that of the system
RUN_RECIPE = """
set -eu
. "$1"
cd "$2"
srcdir=$2 builddir=$2/pyunshare-$pkgver pkgdir=$3
case $1 in *APKBUILD) cd "$builddir" ;; esac
for step in build check package; do (umask 022; "$step"); done
"""


@pytest.mark.thorough
@needs("bash", "build", "installer", "setuptools")
@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_of_arch_and_alpine(dist: Path, recipe: str) -> None:
    source, target, programs = (support.new_directory() for _ in range(3))
    subprocess.run(["tar", "-xf", str(the_sdist(dist)), "-C", str(source)], check=True)
    for name in ("python", "python3"):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (programs / name).chmod(0o755)
    shell = "bash" if recipe.endswith("PKGBUILD") else "sh"
    line = [shell, "-c", RUN_RECIPE, shell, str(CHECKOUT / recipe), str(source), str(target)]
    variables = environment(PATH=f"{programs}:{support.STANDARD_PATH}", HYPOTHESIS_PROFILE="few")
    subprocess.run(line, env=variables, check=True, stdout=subprocess.DEVNULL)
    installed = target / sys.prefix.lstrip("/")  # /usr, where Python is the system's
    assert [name for name in INSTALLED_DATA if not (installed / name).is_file()] == []
    assert (target / "usr/share/doc/pyunshare/tour.md").is_file()
    first, text = (installed / "bin" / "pyunshare").read_text().split("\n", 1)
    assert first == "#!/usr/bin/python3 -ISXutf8"
    library = sysconfig.get_path("purelib")
    assert f"directory = '{library}/pyunshare'\n" in text
    compiled = target / library.lstrip("/") / "pyunshare" / "__pycache__"
    assert list(compiled.glob(f"{amalgamation.NAME}.*.pyc"))
    link = target / "usr/lib/pyunshare/bin/unshare"
    assert os.path.realpath(link) == str(target / "usr/bin/pyunshare")


# ---- shell, AppArmor ----------------------------------------------------------------------------

SHELL_SCRIPTS = (
    *RECIPES,
    ".ci/run",
    "completions/pyunshare.bash",
    "packaging/debian/tests/commands",
    "packaging/debian/tests/namespaces",
    "packaging/debian/tests/with_installed",
    "packaging/rpm_package",
    "tests/fetch_reference",
)


@needs("shellcheck")
@pytest.mark.parametrize("script", SHELL_SCRIPTS)
def test_shellcheck_has_nothing_to_say(script: str) -> None:
    options = ["--severity=warning", *(["--shell=bash"] if script.endswith(".bash") else [])]
    subprocess.run(["shellcheck", *options, str(CHECKOUT / script)], check=True)


@needs("apparmor_parser")
def test_the_apparmor_profile_is_one() -> None:
    profile = (PACKAGING / "apparmor" / "pyunshare").read_text()
    version = support.run(["apparmor_parser", "--version"]).stdout.decode()
    major = int(re.findall(r"version (\d+)", version)[0])
    # The lines that a parser must be new for
    for since, lines in {3: r" flags=\(unconfined\)", 4: r"(?m)^abi .*|^ *userns,"}.items():
        if major < since:
            profile = re.sub(lines, "", profile)
    for line in (["--names"], ["--skip-kernel-load", "--skip-cache", "--stdout"]):
        shown = subprocess.run(
            ["apparmor_parser", *line], input=profile.encode(), capture_output=True, check=False
        )
        assert shown.returncode == 0, shown.stderr
        assert b"pyunshare" in shown.stdout


# ---- RPM ----------------------------------------------------------------------------------------


@pytest.mark.thorough
@needs("build", "rpmbuild", "setuptools")
def test_rpm_packages_as_the_documentation_builds_them(dist: Path) -> None:
    place = support.new_directory()
    shutil.copy(the_sdist(dist), place)
    (commands,) = commands_of("docs/packaging.md", "RPM")
    without = "--nodeps --without check"  # which it says for a machine like this one
    subprocess.run(
        ["sh", "-ec", f'rpmbuild() {{ command rpmbuild {without} "$@"; }}\n{commands}'],
        cwd=place,
        env={**support.ENVIRONMENT, "HOME": str(place)},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert len(list(place.glob("rpmbuild/RPMS/noarch/*.rpm"))) == 1
    assert len(list(place.glob("rpmbuild/SRPMS/*.rpm"))) == 1


@pytest.mark.thorough
@needs("build", "rpm2cpio", "rpmbuild", "setuptools")
def test_rpm_packages(dist: Path) -> None:
    """The script compares, and looks at modes and the list of files; and so for everybody."""
    built = []
    for user in {support.ROOT, WITHOUT_SUBORDINATE_IDS} if os.geteuid() == 0 else {None}:
        source, output, home = copy_of_checkout(), support.new_directory(), support.new_directory()
        shown = subprocess.run(
            [str(source / "packaging" / "rpm_package"), str(the_sdist(dist)), str(output)],
            env={**support.ENVIRONMENT, "HOME": str(home), "SOURCE_DATE_EPOCH": EPOCH},
            capture_output=True,
            text=True,
            check=False,
            **({"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}),
        )
        assert shown.returncode == 0, shown.stdout + shown.stderr
        built.append(hashes(output))
    assert built[0] == built[-1]
    version = release_module().the_version(CHECKOUT)
    assert list(built[0]) == [f"pyunshare-{version}-1.src.rpm"]


def test_the_debian_package_runs_tests_that_there_are() -> None:
    rules = (PACKAGING / "debian" / "rules").read_text()
    control = (PACKAGING / "debian" / "tests" / "control").read_text()
    tested = re.search(r"^TESTED = (.*)$", rules, re.MULTILINE)
    assert tested is not None
    named = [f"tests/test_{name}.py" for name in tested[1].split()]
    for line in re.findall(r"with_installed \S+ ([\w ]+)", control):
        named += [f"tests/test_{name}.py" for name in line.split()]
    assert len(named) > 8
    assert [name for name in named if not (CHECKOUT / name).is_file()] == []


# ---- bad input ----------------------------------------------------------------------------------


def complaint(*words: object, **variables: str) -> str:
    """The one line that a program fails with."""
    shown = subprocess.run(
        [str(word) for word in words],
        env={**support.ENVIRONMENT, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode not in (0, -6, -11), shown
    assert len(shown.stderr.splitlines()) == 1, shown
    return shown.stderr.rstrip()


def test_a_release_of_a_tag_that_is_not_there() -> None:
    if not (CHECKOUT / ".git").exists() or shutil.which("git", path=support.STANDARD_PATH) is None:
        pytest.skip("there is no git here, or no clone")
    assert complaint(sys.executable, RELEASE, "v77").endswith("release.py: there is no tag v77")


def test_a_release_of_a_tag_without_git() -> None:
    copy = copy_of_checkout()
    said = complaint(sys.executable, copy / "packaging" / "release.py", "v77")
    assert said.endswith("v77 would be taken from git, but this is no clone, or git is missing")


def test_a_release_without_its_tools() -> None:
    said = complaint(sys.executable, "-S", RELEASE, "--here")
    assert said.endswith("build is missing: install packaging/requirements.txt")


def test_a_release_of_what_there_is_not() -> None:
    line = [sys.executable, str(RELEASE), "--only", "sdist,floppy"]
    shown = subprocess.run(line, capture_output=True, text=True, check=False)
    assert shown.returncode == 2
    assert shown.stderr.splitlines()[-1].endswith("error: there is no artifact named floppy")


@pytest.mark.thorough
@needs("build", "setuptools", "twine", "check-wheel-contents")
def test_a_tag_is_the_version_and_in_the_changelog() -> None:
    release = release_module()
    source = copy_of_checkout()
    version = release.the_version(source)
    with pytest.raises(release.ReleaseError, match=f"the tag is v7, and the version {version}"):
        release.check_version(source, "v7")
    (source / "CHANGELOG.md").write_text(f"## {version} - 2026-11-22\n")
    release.check_version(source, f"v{version}")
    (source / "CHANGELOG.md").write_text("## Unreleased\n")
    with pytest.raises(release.ReleaseError, match=f"CHANGELOG.md has no section for {version}"):
        release.check_version(source, f"v{version}")


@pytest.mark.parametrize("script", ["debian_package", "rpm_package"])
def test_packaging_scripts_say_what_is_missing(script: str) -> None:
    line = [PACKAGING / script, *(["sid"] if script == "debian_package" else [])]
    sdist = support.new_directory() / "sdist.tar.gz"
    output = support.new_directory()
    assert complaint(line[0]).endswith("SDIST DIRECTORY")
    assert complaint(*line, sdist, output).endswith("sdist.tar.gz: no such file")
    sdist.touch()
    missing = complaint("/bin/sh", *line, sdist, output, PATH=programs_of_a_shell())
    assert re.search(r": (debootstrap|rpmbuild) is missing$|: debootstrap needs root", missing)


def programs_of_a_shell() -> str:
    """A PATH with what the scripts use first, and nothing that builds packages."""
    directory = support.new_directory()
    for name in ("dirname", "id"):
        found = shutil.which(name, path=support.STANDARD_PATH)
        assert found is not None
        (directory / name).symlink_to(found)
    return str(directory)
