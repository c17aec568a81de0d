"""The ACE potential as one value: files, elements, cutoff, digests, and its LAMMPS input.

Example:
    potential = AcePotential.read(Path("cu.yace"))
    potential.elements, potential.cutoff_A           # ('Cu',), 5.0
    potential.knows_gamma, potential.functions       # True, {'Cu': 35}
    potential.job_files(("Cu",))                     # what a search directory needs

File names never reach a LAMMPS input: a search directory links the potential under a fixed name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.ground.files import why_no_file
from mlip_kmc.potential.active_set import ActiveSet
from mlip_kmc.potential.baseline import Baseline, canonical, check_training, core_warning
from mlip_kmc.potential.basis import BBasis
from mlip_kmc.potential.lammps_input import (
    LINKED_ACTIVE_SET,
    LINKED_BASIS,
    LINKED_NAME,
    lammps_input,
)
from mlip_kmc.potential.record import (
    Digests,
    PotentialRecord,
    advice,
    check_digests,
    read_record,
    record_path,
)
from mlip_kmc.potential.yace import Outline

if TYPE_CHECKING:
    from mlip_kmc.config import GammaSection

_READ_OFF = {"elements", "cutoff_A", "functions", "basis_functions"}


@dataclass(frozen=True)
class AcePotential:
    """An ACE potential.

    Attributes:
        yace: the C-tilde basis file that LAMMPS `pair_style pace` evaluates.
        elements: chemical symbols in the file's order.
        cutoff_A: the largest cutoff of its bonds.
        digest: sha256 of the `.yace`.
        basis, active_set: the B-basis `.yaml` and the active set `.asi`, if there are some.
        evaluator: LAMMPS' algorithm.
        functions, basis_functions: of the `.yace` and of the B-basis (None without one), by the element at their centre.
        active_set_kind: `linear` or `full`; None without an active set.
        basis_digest, active_set_digest: sha256 of those files.
        record: what lies beside it as `.record.json`; None where there is none.
        core_repulsion: does the `.yace` have one of its own?
        baseline: what is added to it, in every path.
        minimum_distance_A: for each pair of elements; what evaluates refuses atoms that are nearer.
        warnings: what is doubtful about it, one line each.
    """

    yace: Path
    elements: tuple[str, ...]
    cutoff_A: float
    digest: str
    basis: Path | None = None
    active_set: Path | None = None
    evaluator: Literal["product", "recursive"] = "product"
    eon_name: str = "lammps"
    functions: Mapping[str, int] = field(default_factory=dict)
    basis_functions: Mapping[str, int] | None = None
    active_set_kind: Literal["linear", "full"] | None = None
    basis_digest: str | None = None
    active_set_digest: str | None = None
    record: PotentialRecord | None = None
    core_repulsion: bool = False
    baseline: Baseline | None = None
    minimum_distance_A: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @classmethod
    def read(
        cls,
        yace: Path,
        *,
        basis: Path | None = None,
        active_set: Path | None = None,
        evaluator: Literal["product", "recursive"] = "product",
        check_record: bool = True,
        allow_blind: bool = False,
    ) -> "AcePotential":
        """Read and check a `.yace`; the `.yaml` and `.asi` beside it are taken up where both exist.

        Args:
            yace: the potential.
            basis: its B-basis.
            active_set: its active set.
            evaluator: LAMMPS' algorithm.
            check_record: False where the record beside it is about to be looked at or written anew.
            allow_blind: True where an active set of deficient rank is to be described, not used.

        Raises:
            PotentialError: missing, truncated, or not a `.yace`; only one of basis and active set is there; the files do
                not belong together, or are not those of the record.
        """
        yace = yace.absolute()  # search directories link to it from elsewhere
        outline = Outline.read(yace)
        basis, active_set = _gamma_files(yace, basis, active_set)
        gamma = (
            {}
            if basis is None or active_set is None
            else _gamma_facts(yace, outline, basis, active_set, allow_blind=allow_blind)
        )
        potential = cls(
            yace=yace,
            elements=outline.elements,
            cutoff_A=outline.cutoff_A,
            digest=outline.digest,
            basis=basis,
            active_set=active_set,
            evaluator=evaluator,
            functions=outline.functions,
            **gamma,
            core_repulsion=outline.core_repulsion,
            record=read_record(record_path(yace)) if check_record else None,
        )
        if potential.record is not None:
            potential.check_against(potential.record)
        return potential

    def guarded(
        self, *, baseline: Baseline | None, minimum_distance_A: Mapping[str, float]
    ) -> "AcePotential":
        """The same with what holds at short distances, after checking that it fits the potential.

        Args:
            baseline: added in every path.
            minimum_distance_A: for each pair of elements.

        Raises:
            PotentialError: the record shows that energy would be counted twice, or left out; a minimum distance is beyond the
                cutoff.
        """
        for name, least_A in minimum_distance_A.items():
            if not least_A < self.cutoff_A:  # LAMMPS counts neighbours within the cutoff only
                raise PotentialError(
                    (
                        f"the minimum distance of {name} ({least_A:g} A) is not less than the cutoff of {self.yace} "
                        f"({self.cutoff_A:g} A)"
                    ),
                    advice="give one between atoms that overlap and atoms that are bonded",
                )
        training = self.record.training if self.record else None
        warning = check_training(
            baseline,
            subtracted=self.record.baseline if self.record else None,
            smallest_A=training.smallest_distance_A if training else None,
            potential=str(self.yace),
        )
        core = (
            core_warning(str(self.yace)) if baseline is not None and self.core_repulsion else None
        )
        return replace(
            self,
            baseline=baseline,
            minimum_distance_A=minimum_distance_A,
            warnings=tuple(line for line in (warning, core) if line),
        )

    def facts(self) -> dict[str, str | None]:
        """What decides its numbers, by dotted key; files count by content."""
        guards = {
            "potential.baseline": self.baseline.facts() if self.baseline else None,
            "potential.minimum_distance_A": canonical(self.minimum_distance_A)
            if self.minimum_distance_A
            else None,
        }
        return {
            "potential.ace": self.digest,
            "potential.evaluator": self.evaluator,
            "potential.basis": self.basis_digest,
            "potential.active_set": self.active_set_digest,
            **{key: value for key, value in guards.items() if value},
        }

    @property
    def digests(self) -> Digests:
        """The sha256 of each file."""
        return Digests(yace=self.digest, yaml=self.basis_digest, asi=self.active_set_digest)

    @property
    def knows_gamma(self) -> bool:
        """Can the extrapolation grade be evaluated? Without B-basis and active set it is unknown, which is not zero."""
        return self.active_set is not None

    def check_against(self, record: PotentialRecord) -> None:
        """Refuse files that are not those of a record.

        Raises:
            PotentialError: one is another, missing, or one too many; or the record says of them what is not so.
        """
        files = {
            "yace": (self.yace, self.digest),
            "yaml": (self.basis, self.basis_digest),
            "asi": (self.active_set, self.active_set_digest),
        }
        check_digests(record_path(self.yace), record, files)
        for key, found in self.new_record().model_dump(include=_READ_OFF).items():
            if record.model_dump()[key] != found:
                path = record_path(self.yace)
                raise PotentialError(
                    f"the potential's record {path} was altered: its {key} is not what the files hold",
                    advice=advice(path),
                )

    def new_record(self) -> PotentialRecord:
        """A record of the files as they are; where the potential comes from is not known."""
        return PotentialRecord(
            elements=self.elements,
            cutoff_A=self.cutoff_A,
            functions=dict(self.functions),
            basis_functions=None if self.basis_functions is None else dict(self.basis_functions),
            digests=self.digests,
        )

    def lammps_input(self, species: tuple[str, ...], *, gamma: "GammaSection | None" = None) -> str:
        """The `in.lammps` of a search directory: see `potential.lammps_input`."""
        return lammps_input(self, species, gamma=gamma)

    def job_files(
        self, species: tuple[str, ...], *, gamma: "GammaSection | None" = None
    ) -> dict[str, str]:
        """Text files that a search directory needs, by name."""
        return {"in.lammps": self.lammps_input(species, gamma=gamma)}

    def job_links(self) -> dict[str, Path]:
        """Files that a search directory links, by the name in it."""
        links = {LINKED_NAME: self.yace}
        if self.basis is not None and self.active_set is not None:
            links |= {LINKED_BASIS: self.basis, LINKED_ACTIVE_SET: self.active_set}
        return links


def _gamma_files(
    yace: Path, basis: Path | None, active_set: Path | None
) -> tuple[Path | None, Path | None]:
    """B-basis and active set: those named, or those beside the `.yace`, or neither."""
    if basis is None and active_set is None:
        beside = yace.with_suffix(".yaml"), yace.with_suffix(".asi")
        return beside if all(path.is_file() for path in beside) else (None, None)
    for path, what in ((basis, "B-basis (.yaml)"), (active_set, "active set (.asi)")):
        if not (path and path.is_file()):
            missing = why_no_file(path) if path else "none is named"
            raise PotentialError(
                f"the extrapolation grade of {yace} needs its {what}, but {missing}",
                advice="name both or neither",
            )
    return basis and basis.absolute(), active_set and active_set.absolute()


def _gamma_facts(
    yace: Path, outline: Outline, basis_path: Path, active_set_path: Path, *, allow_blind: bool
) -> dict[str, Any]:
    """What B-basis and active set add to the potential, after checking that the three are of one potential."""
    basis = BBasis.read(basis_path)
    if set(basis.elements) != set(outline.elements):
        raise PotentialError(
            (
                f"the B-basis {basis.path} is of {', '.join(basis.elements)}, but {yace} is of "
                f"{', '.join(outline.elements)}"
            ),
            advice="give the .yaml that the .yace was made from",
        )
    if not abs(basis.cutoff_A - outline.cutoff_A) <= 1e-6 * outline.cutoff_A:
        raise PotentialError(
            f"the B-basis {basis.path} has a cutoff of {basis.cutoff_A} A, but {yace} one of {outline.cutoff_A} A",
            advice="give the .yaml that the .yace was made from",
        )
    active_set = ActiveSet.read(active_set_path, basis=basis, allow_blind=allow_blind)
    return {
        "basis_functions": basis.functions,
        "active_set_kind": active_set.kind,
        "basis_digest": basis.digest,
        "active_set_digest": active_set.digest,
    }
