"""What a release is made of, read from a run's directory: its potential, its first minimum, and what the run came to.

Example:
    with Subject.read(Path("my-run"), image=None) as subject:
        subject.potential.elements, subject.atoms, subject.run.kmc_steps

The potential must be, file by file, the one that the run was made with.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from ase import Atoms
from pydantic import TypeAdapter, ValidationError

from mlip_kmc import __version__
from mlip_kmc.evaluate.agreement import unguarded
from mlip_kmc.evaluate.calculator import calculator_of
from mlip_kmc.ground.errors import PotentialError, ReleaseError, RunStateError
from mlip_kmc.ground.files import sha256_of
from mlip_kmc.model.records import made
from mlip_kmc.model.structure import read_structure
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.baseline import Baseline, Pairs
from mlip_kmc.potential.whereabouts import noted_potential
from mlip_kmc.release.manifest import Image, Run
from mlip_kmc.release.parts_list import ImageParts
from mlip_kmc.release.sif import is_sif, recipe_of
from mlip_kmc.report.summary import Report, collect
from mlip_kmc.store.view import RunView

_REPORTED = ("ase", "numpy", "scipy")


@dataclass(frozen=True)
class Subject:
    """A run, as a release sees it.

    Attributes:
        view: the run, read-only.
        potential: its own, baseline and minimum distances included.
        atoms: the minimum of state 0, restricted triclinic.
        report: of the run.
        parts: of the image that this runs in.
        image: its digests.
        image_recipe: what the image's file says that it is built from; None without a file, or where it does not say.
    """

    view: RunView
    potential: AcePotential
    atoms: Atoms
    report: Report
    parts: ImageParts
    image: Image
    image_recipe: str | None

    @classmethod
    @contextmanager
    def read(
        cls, run_dir: Path, *, image: Path | None, potential: AcePotential | None = None
    ) -> Iterator[Self]:
        """Read a run; its structures are there until the block ends.

        Args:
            run_dir: the run's directory.
            image: the SIF file that it was made in, if it is at hand.
            potential: where the run's own note does not lead to it.

        Raises:
            RunStateError: it is no run, or has no state yet, or was made with another potential.
            PotentialError: the potential cannot be read, or does not know gamma.
        """
        digest = None if image is None else _digest_of(image)
        with RunView.read(run_dir) as view:
            if not view.states:
                raise RunStateError(
                    f"the run in {run_dir} has no state yet; release one that has made its steps"
                )
            found = _as_in_run(potential or noted_potential(run_dir), view.epoch.facts, run_dir)
            parts = ImageParts.here()
            software = {
                "mlip-kmc": __version__,
                **{name: metadata.version(name) for name in _REPORTED},
                "Python": sys.version.split()[0],
            }
            yield cls(
                view=view,
                potential=found,
                atoms=read_structure(view.states[0].structure),
                parts=parts,
                report=collect(view, etc=Path(sys.prefix) / "etc", software=software),
                image=Image(sha256=digest, recipe=parts.recipe),
                image_recipe=None if image is None else recipe_of(image),
            )

    @property
    def run(self) -> Run:
        """What the manifest says of the run."""
        grade = self.report.grade
        return Run(
            id=self.view.identity,
            temperature_K=None
            if self.view.earlier_temperatures_K
            else self.view.settings.temperature_K,
            kmc_steps=len(made(self.view.events)),
            simulated_time_s=self.view.numbers.time_s,
            states=len(self.view.states),
            searches=grade.searches,
            halted_searches=grade.halted_searches,
            gamma_state_0=_short(grade.state_0),
            gamma_saddle=_short(grade.saddle),
            gamma_path=_short(grade.path),
        )

    def lowest_barriers(self) -> dict[int, float]:
        """In eV, of each state that has a process."""
        return {
            state.number: min(row.barrier for row in state.processes)
            for state in self.view.states
            if state.processes
        }

    def for_short_range(self) -> Any:
        """An ASE calculator that does not refuse atoms that are near."""
        return calculator_of(unguarded(self.potential))


def _short(gamma: float | None) -> float | None:
    return None if gamma is None else float(f"{gamma:.4g}")


def _digest_of(image: Path) -> str:
    try:
        with image.open("rb") as stream:
            good = is_sif(stream)
    except OSError as error:
        raise ReleaseError(
            f"cannot read the image {image}: {error.strerror}; name the SIF file that the run was made in"
        ) from error
    if not good:
        raise ReleaseError(
            f"{image} is no Apptainer image (SIF); name the file that the run was made in"
        )
    return sha256_of(image)


def _as_in_run(
    potential: AcePotential | None, facts: Mapping[str, Any], run_dir: Path
) -> AcePotential:
    """The potential with the baseline and the distances of the run, after a look at the digests."""
    if potential is None:
        raise RunStateError(f"the run in {run_dir} notes no ACE potential; a release is of one")
    now = {
        "ace": potential.digest,
        "basis": potential.basis_digest,
        "active_set": potential.active_set_digest,
    }
    for key, digest in now.items():
        if facts.get(f"potential.{key}") != digest:
            raise RunStateError(
                f"the run in {run_dir} was made with another {key} than {potential.yace} has now; restore the "
                "files, or make a run with these"
            )
    if not potential.knows_gamma:
        raise PotentialError(
            f"{potential.yace} has no B-basis .yaml and active set .asi: a recipient could not know where it "
            "extrapolates; mlip-kmc potential activeset makes the latter; then make a run with them"
        )
    baseline, distances = facts.get("potential.baseline"), facts.get("potential.minimum_distance_A")
    try:
        pairs = TypeAdapter(Pairs).validate_json(baseline) if baseline else None
        nearest = TypeAdapter(dict[str, float]).validate_json(distances) if distances else {}
    except ValidationError as error:
        raise RunStateError(
            f"the run in {run_dir} has a baseline or minimum distances that this version cannot read"
        ) from error
    return replace(potential, evaluator=facts.get("potential.evaluator") or "product").guarded(
        baseline=Baseline(pairs=pairs) if pairs else None, minimum_distance_A=nearest
    )
