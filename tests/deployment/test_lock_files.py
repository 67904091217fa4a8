"""The lock files follow from pyproject.toml, agree with each other, and name no index."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
RUNTIME, DEVELOPMENT = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
BOTH = [pytest.param(each, id=each.name) for each in (RUNTIME, DEVELOPMENT)]


@dataclass(frozen=True, kw_only=True)
class Locked:
    requirement: Requirement
    hashes: frozenset[str]

    @property
    def version(self) -> str:
        (only,) = self.requirement.specifier
        assert only.operator == "=="
        return only.version


def locked(path: Path) -> dict[NormalizedName, Locked]:
    """Return what a lock file holds, by name."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    packages = {}
    for line in text.splitlines():
        words, *hashes = line.split(" --hash=")
        requirement = Requirement(words.strip())
        packages[canonicalize_name(requirement.name)] = Locked(
            requirement=requirement, hashes=frozenset(each.strip() for each in hashes)
        )
    return packages


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def wanted(path: Path) -> Iterator[Requirement]:
    """Yield what pyproject.toml wants in a lock file."""
    groups = project()["dependency-groups"] if path == DEVELOPMENT else {}
    for text in [*project()["project"]["dependencies"], *(each for group in groups.values() for each in group)]:
        yield Requirement(text)


@pytest.mark.parametrize("path", BOTH)
def test_every_dependency_is_locked_at_a_version_that_pyproject_allows(path: Path) -> None:
    packages = locked(path)
    for requirement in wanted(path):
        found = packages[canonicalize_name(requirement.name)]
        assert Version(found.version) in requirement.specifier, f"run `make lock`: {requirement}"


@pytest.mark.parametrize("path", BOTH)
def test_the_dependencies_of_what_is_locked_are_locked(path: Path) -> None:
    packages = locked(path)
    extras = {canonicalize_name(each.name): each.extras for each in wanted(path)}
    checked = 0
    for name, package in packages.items():
        if not is_installed(name, package.version):
            continue
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            if applies(requirement.marker, extras.get(name) or set()):
                assert packages[canonicalize_name(requirement.name)].version in requirement.specifier
                checked += 1
    assert checked > 20


def is_installed(name: str, version: str) -> bool:
    try:
        return metadata.version(name) == version
    except metadata.PackageNotFoundError:
        return False


def applies(marker: Marker | None, extras: set[str]) -> bool:
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


@pytest.mark.parametrize("path", BOTH)
def test_every_package_has_hashes(path: Path) -> None:
    for name, package in locked(path).items():
        assert package.hashes, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in package.hashes), name


@pytest.mark.parametrize("path", BOTH)
def test_no_index_address_or_path_is_in_a_lock_file(path: Path) -> None:
    found = re.findall(
        r"(?i)https?:|file:|://|--\S*(?:index|find-links|trusted)\S*|/(?:home|root|tmp)/", path.read_text()
    )
    assert found == []


@pytest.mark.parametrize("path", BOTH)
def test_a_lock_file_says_how_it_is_made(path: Path) -> None:
    assert "#    make lock\n" in path.read_text()
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^lock:", makefile, re.MULTILINE)
    assert "scripts/lock.sh" in makefile
    assert f"--output-file {path.name}" in (ROOT / "scripts/lock.sh").read_text()


def test_the_development_lock_contains_the_runtime_lock() -> None:
    development = locked(DEVELOPMENT)
    for name, package in locked(RUNTIME).items():
        assert development[name] == package


def test_no_tool_of_development_is_in_the_runtime_lock() -> None:
    groups = project()["dependency-groups"]
    ours = {canonicalize_name(Requirement(each).name) for each in project()["project"]["dependencies"]}
    tools = {canonicalize_name(Requirement(each).name) for group in groups.values() for each in group} - ours
    assert tools & locked(RUNTIME).keys() <= {"pyyaml"}  # which uvicorn[standard] has too


def test_what_runs_in_the_image_imports_nothing_beyond_the_runtime_lock() -> None:
    distributions = metadata.packages_distributions()
    packages = locked(RUNTIME)
    for path in [each for folder in ("app", "migrations", "scripts") for each in (ROOT / folder).rglob("*.py")]:
        for module in imported(path) - sys.stdlib_module_names - {"app", "scripts"}:
            owners = {canonicalize_name(each) for each in distributions[module]}
            assert owners & packages.keys(), f"{path} imports {module}"


def imported(path: Path) -> set[str]:
    """Return the top-level modules that a file imports by absolute names."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module.partition(".")[0])
    return modules
