"""One build: what is missing in the cache is made, the image last.

Builder(march="x86-64-v3", output=None, handed=[]).build(parts_only=False)
"""

import fcntl
import functools
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from building.failure import BuildError
from building.handed import Handed, digest
from building.parts import BASE, COMPILERS, PARTS, march_of, part_keys, tree_key
from building.pins import read_pins
from building.progress import Progress, StepReader, clock_text
from building.running import run_logged
from building.site import debian_mirror, write_site

ROOT = Path(__file__).resolve().parents[2]
_EXAMPLES = {
    "cu-vacancy": ("cu.yace", "cu.yaml", "cu.asi", "cu.record.json", "vacancy.xyz"),
    "cu-campaign": (
        *("bulk.yace", "bulk.yaml", "bulk.asi", "bulk.record.json", "vacancy.xyz"),
        *("train.xyz", "test.xyz", "akmc.yaml"),
    ),
}
_SOURCES = ["pyproject.toml", "README.md", "LICENSE", "src"]
_SOURCES += [f"examples/{folder}/{name}" for folder, names in _EXAMPLES.items() for name in names]
_VIEWER_FILES = {
    "package/build/3Dmol-min.js": "opt/mlip-kmc/share/3dmol/3Dmol-min.js",
    "package/LICENSE": "opt/mlip-kmc/licences/3Dmol-BSD-3-Clause.txt",
    "package/build/3Dmol-min.js.LICENSE.txt": "opt/mlip-kmc/licences/3Dmol-parts.txt",
}
_IMAGE_WEIGHT = 60.0
_IMAGES_KEPT = 3
_OTHERS_KEPT = 2


class Builder:
    """Builds the parts that the cache lacks, and the image."""

    def __init__(self, *, march, output, handed):
        if shutil.which("apptainer") is None:
            raise BuildError(
                "apptainer is not installed; ./bootstrap installs it, or ask your administrator"
            )
        self._march, self._output = march, (output or ROOT / "image.sif").absolute()
        base = (
            os.environ.get("MLIP_KMC_CACHE")
            or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlip-kmc"
        )
        self._cache = Path(base).absolute()
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BuildError(
                f"cannot make the cache {self._cache}: {error.strerror}; set MLIP_KMC_CACHE to a folder you can "
                "write"
            ) from error
        self._handed = Handed(handed)
        self._begin = time.monotonic()

    def build(self, *, parts_only):
        """Make what is missing; the image is linked or copied to its place."""
        with self._lock(), tempfile.TemporaryDirectory(prefix="mlip-kmc-build.") as name:
            self._scratch = Path(name)
            self._remove_remains()
            self._copy_inputs()
            self._plan()
            self._make_parts()
            if not parts_only:
                self._make_image()
            self._clean()

    def _remove_remains(self):
        """What a killed build left half made; what a part was being compiled in stays."""
        for left in (*self._cache.glob("build-temp-*"), *self._cache.glob("*.part")):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink()

    # what there is to do

    def _lock(self):
        stream = (self._cache / "build.lock").open("w")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build is running; waiting for it")
            fcntl.flock(stream, fcntl.LOCK_EX)
        return stream

    def _copy_inputs(self):
        """What is hashed is the copy that is built from, so an edit during the build does no harm."""
        self._context = self._scratch / "context"
        for name in ("containers", *_SOURCES):
            target = self._context / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                shutil.copytree(
                    ROOT / name, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy2(ROOT / name, target)
        self._containers = self._context / "containers"

    def _plan(self):
        self._pins = read_pins(self._containers / "pins.env")
        keys = part_keys(self._containers, self._pins, march_of(self._march))
        self._key = keys
        self._file = {
            part.name: self._cache / f"{part.name}-{keys[part.name][:16]}.{part.suffix}"
            for part in (*PARTS, COMPILERS)
        }
        self._handed.check_all_known(
            [self._pins[f"{source}_FILE"] for part in PARTS for source in part.sources]
        )
        self._source = tree_key(self._context, ["pyproject.toml", "src"])
        recipe = tree_key(
            self._context, ["containers/image.def", "containers/agreement.py", *_SOURCES]
        )
        self._recipe = text_key([recipe, *(keys[part.name] for part in PARTS)])
        self._image = self._cache / f"image-{self._recipe[:16]}.sif"
        self._take_handed()
        missing = [part for part in PARTS if not self._file[part.name].exists()]
        self._missing = missing
        stages = [(part.name, part.title, part.weight) for part in missing]
        if any(part.compiled for part in missing) and not self._file[COMPILERS.name].exists():
            at = next(index for index, part in enumerate(missing) if part.compiled)
            stages.insert(at, (COMPILERS.name, COMPILERS.title, COMPILERS.weight))
        if not self._image.exists():
            stages.append(("image", "the image", _IMAGE_WEIGHT))
        self._progress = Progress(stages, stream=sys.stderr)
        if missing:
            say(f"to build: {', '.join(title for _, title, _ in stages)}; logs in {self._cache}")

    def _take_handed(self):
        for part in PARTS:
            target = self._file[part.name]
            if (
                not target.exists()
                and (handed := self._handed.part(part.name, target.name)) is not None
            ):
                shutil.copyfile(handed, f"{target}.part")
                Path(f"{target}.part").replace(target)
                write_digest(target)
                say(f"{part.title}: taken from {handed}")

    # parts

    def _make_parts(self):
        if not self._missing:
            return
        write_site(self._scratch / "site")
        makers = {
            "base": self._make_base,
            "viewer": self._make_viewer,
            "python": self._make_python,
            "eon": self._make_compiled,
            "lammps": self._make_compiled,
        }
        for part in self._missing:
            if part.compiled:
                self._make_compilers()
            self._log = self._cache / f"{self._file[part.name].stem}.log"
            self._progress.begin(part.name)
            seconds, used = makers[part.name](part)
            write_digest(self._file[part.name])
            self._progress.end(
                part.name,
                f"{part.title}: {clock_text(seconds)}, {used:.0f} CPU seconds, "
                f"{megabytes(self._file[part.name])} MB",
            )

    def _make_base(self, part):
        return self._apptainer_build(
            self._file[part.name],
            "base.def",
            MIRROR=debian_mirror(self._containers),
            SUITE=self._pins["DEBIAN_SUITE"],
        )

    def _make_viewer(self, part):
        """Of the package's archive, the library and its licence; nothing is run."""
        begin, work = time.monotonic(), self._work(part)
        archive = work / "sources" / self._pins["VIEWER_FILE"]
        repack(archive, work / "part.tar", _VIEWER_FILES)
        (work / "part.tar").replace(self._file[part.name])
        shutil.rmtree(work)
        return time.monotonic() - begin, 0.0

    def _make_compilers(self):
        folder = self._file[COMPILERS.name]
        if folder.exists():
            return
        self._log = self._cache / f"{folder.stem}.log"
        self._progress.begin(COMPILERS.name)
        seconds, used = self._apptainer_build(
            folder,
            "compilers.def",
            sandbox=True,
            BASE=self._file[BASE.name],
            MIRROR=debian_mirror(self._containers),
            SUITE=self._pins["DEBIAN_SUITE"],
        )
        self._progress.end(
            COMPILERS.name, f"compilers: {clock_text(seconds)}, {used:.0f} CPU seconds"
        )

    def _make_python(self, part):
        work = self._work(part)
        prefix = work / "root/opt/mlip-kmc"
        prefix.mkdir(parents=True, exist_ok=True)
        packages = len(
            re.findall(
                r"^[A-Za-z0-9_.-]+==",
                (self._containers / "requirements.lock").read_text(),
                re.MULTILINE,
            )
        )
        return self._recipe_run(
            part, self._file[BASE.name], work, packages=packages, binds=[f"{prefix}:/opt/mlip-kmc"]
        )

    def _make_compiled(self, part):
        return self._recipe_run(
            part, self._file[COMPILERS.name], self._work(part), arguments=[self._march]
        )

    def _work(self, part):
        """The folder in which a part is built; it stays until the part is done, so that an interrupted build goes on in it."""
        work = self._cache / f"work-{self._file[part.name].stem}"
        (work / "sources").mkdir(parents=True, exist_ok=True)
        for source in part.sources:
            self._fetch(source, work / "sources")
        return work

    def _fetch(self, source, folder):
        name, sha256 = self._pins[f"{source}_FILE"], self._pins[f"{source}_SHA256"]
        if (folder / name).exists() and digest(folder / name) == sha256:
            return
        handed = self._handed.source(name, sha256)
        if handed is not None:
            shutil.copyfile(handed, folder / name)
            return
        kind = "debian" if ".orig.tar" in name else "npm" if name.endswith(".tgz") else "sdist"
        run_logged(
            [
                host_python(self._containers),
                self._containers / "fetch",
                kind,
                self._pins[f"{source}_PACKAGE"],
                name,
                sha256,
                folder,
            ],
            log=self._log,
            what=f"fetching {name}",
        )

    def _recipe_run(self, part, image, work, *, arguments=(), packages=0, binds=()):
        reader = StepReader(self._log, packages)
        bound = [
            f"{self._containers}:/context:ro",
            f"{self._scratch / 'site'}:/site:ro",
            f"{self._pip()}:/pip:ro",
            f"{work}:/work",
            f"{work / 'sources'}:/sources:ro",
            *binds,
        ]
        command = [
            "apptainer",
            "--quiet",
            "exec",
            "--containall",
            "--cleanenv",
            "--no-home",
            "--pwd",
            "/work",
        ]
        command += ["--userns"] if os.geteuid() == 0 else []
        command += [word for bind in bound for word in ("--bind", bind)]
        command += [image, "sh", f"/context/parts/{part.name}.sh", *arguments]
        found = run_logged(
            [str(word) for word in command],
            log=self._log,
            what=f"building {part.title}",
            show=lambda: self._progress.show(reader.read()),
        )
        (work / "part.tar").replace(self._file[part.name])
        shutil.rmtree(work)
        return found

    def _pip(self):
        """A folder with this machine's pinned pip, for PYTHONPATH: neither Debian's minimal Python nor the image has one."""
        folder = self._context / "pip"
        if not folder.exists():
            packages = next(
                Path(host_python(self._containers)).parent.parent.glob("lib/python3*/site-packages")
            )
            shutil.copytree(
                packages / "pip", folder / "pip", ignore=shutil.ignore_patterns("__pycache__")
            )
        return folder

    def _apptainer_build(self, target, definition, *, sandbox=False, **arguments):
        """`apptainer build`; the target appears only when it is whole."""
        part = Path(f"{target}.part")
        if part.is_dir():
            shutil.rmtree(part)
        command = [
            "apptainer",
            "build",
            "--fakeroot",
            "--force",
        ]  # works for users and for root without capabilities
        command += ["--sandbox"] if sandbox else []
        command += [
            word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")
        ]
        reader = StepReader(self._log)
        found = run_logged(
            [*command, str(part), str(self._containers / definition)],
            log=self._log,
            what=f"apptainer build {definition}",
            environment={"APPTAINER_CACHEDIR": str(self._cache / "apptainer")},
            show=lambda: self._progress.show(reader.read()),
        )
        part.replace(target)
        return found

    # the image

    def _make_image(self):
        if not self._image.exists():
            self._log = self._cache / f"{self._image.stem}.log"
            self._progress.begin("image")
            project = (self._context / "pyproject.toml").read_text(encoding="utf-8")
            version = re.search(r'^version = "(.*)"', project, re.MULTILINE)[1]
            self._pip()
            seconds, used = self._apptainer_build(
                self._image,
                "image.def",
                BASE=self._file["base"],
                CONTEXT=self._context,
                VERSION=version,
                RECIPE=self._recipe,
                SOURCE=self._source,
                MARCH=self._march,
                EON=self._file["eon"],
                LAMMPS=self._file["lammps"],
                PYTHON=self._file["python"],
                VIEWER=self._file["viewer"],
                EON_VERSION=self._pins["EON_VERSION"],
                LAMMPS_VERSION=self._pins["LAMMPS_VERSION"],
                ACE_VERSION=self._pins["ACE_VERSION"],
            )
            self._progress.end("image", f"the image: {clock_text(seconds)}, {used:.0f} CPU seconds")
        self._image.touch()
        place(self._image, self._output)
        say(
            f"image: {self._output}, {megabytes(self._output)} MB, recipe {self._recipe[:16]}, after "
            f"{clock_text(time.monotonic() - self._begin)}"
        )

    def _clean(self):
        """Of other parts the newest stay in the cache, and the three newest images; no compilers, no work that was given up."""
        shutil.rmtree(self._file[COMPILERS.name], ignore_errors=True)
        for given_up in self._cache.glob("work-*"):
            shutil.rmtree(given_up, ignore_errors=True)
        for name, kept in (*((part.name, _OTHERS_KEPT) for part in PARTS), ("image", _IMAGES_KEPT)):
            found = sorted(
                self._cache.glob(f"{name}-*.[st][ia][fr]"),
                key=lambda path: path.stat().st_mtime,
                reverse=True,
            )
            wanted = {self._file.get(name, self._image), *found[:kept]}
            for old in set(found) - wanted:
                for path in (old, Path(f"{old}.sha256"), old.with_suffix(".log")):
                    path.unlink(missing_ok=True)


def say(text):
    """One line for the user."""
    print(f"build: {text}", file=sys.stderr, flush=True)


def repack(archive, target, names):
    """A tar of some files of an archive under other names, the same bytes each time.

    Args:
        archive: a tar, packed or not.
        target: the new tar.
        names: {name in the archive: name in the new tar}.

    Raises:
        BuildError: a file is missing, or is none.
    """
    with tarfile.open(archive) as source, tarfile.open(target, "w") as made:
        for name, place in names.items():
            try:
                stream = source.extractfile(name)
            except KeyError:
                stream = None
            if stream is None:
                raise BuildError(f"{archive.name} has no file {name}; check the pins")
            data = stream.read()
            entry = tarfile.TarInfo(place)
            entry.size, entry.mode = len(data), 0o644
            made.addfile(entry, io.BytesIO(data))


def text_key(lines):
    """The sha256 over lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def megabytes(path):
    """Rounded megabytes (1e6 bytes)."""
    return round(path.stat().st_size / 1e6)


def write_digest(path):
    """The sha256 beside a part, as `sha256sum --check` reads it, for whoever hands it over."""
    Path(f"{path}.sha256").write_text(f"{digest(path)}  {path.name}\n", encoding="utf-8")


@functools.cache
def host_python(containers):
    """The Python of the packages that this machine itself needs; they are installed when they are missing.

    Raises:
        BuildError: they cannot be installed.
    """
    answer = subprocess.run(
        [containers / "packages", "host"], capture_output=True, text=True, check=False, timeout=600
    )
    if answer.returncode:
        raise BuildError(answer.stderr.strip())
    return f"{answer.stdout.strip()}/bin/python"


def place(image, output):
    """A link to the image where the file system allows, else a copy; never half of one."""
    if output.exists() and image.samefile(output):
        return
    new = output.with_name(f".{output.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    try:
        os.link(image, new)
    except OSError:
        shutil.copyfile(image, new)
    new.replace(output)
