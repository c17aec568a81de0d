"""What a process of its own is asked to fit, and how it answers: files in a scratch directory.

    write_request(scratch, request, structures)
    request, structures = read_request(scratch)

The process has one thread and, on every processor of x86-64-v3 and above, the same kernels of linear algebra, which are chosen
before numpy is imported: so the same request gives the same bytes.
"""

from pathlib import Path

from mlip_kmc.config.campaign import RefitSection
from mlip_kmc.config.sections import Section
from mlip_kmc.ground.files import write_whole
from mlip_kmc.learning.refit.report import FitKind
from mlip_kmc.model.labelled import LabelledStructure, labelled_text, read_labelled
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.baseline import Baseline, Pairs

KERNELS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "PYTHONHASHSEED": "0",
}
"""Variables of the process: one thread, and the kernels that every processor has; those for AVX-512 differ in the tenth digit."""
REQUEST, STRUCTURES, ANSWER = "request.json", "structures.xyz", "answer.json"


class Request(Section):
    """What to fit."""

    name: str
    yace: Path
    yaml: Path
    asi: Path
    basis: Path
    """The B-basis whose functions are fitted: the present one's, or a larger one."""
    kind: FitKind
    section: RefitSection
    baseline: Pairs | None

    def present(self) -> AcePotential:
        """The potential to begin from, without what guards it."""
        return AcePotential.read(self.yace, basis=self.yaml, active_set=self.asi)

    def under(self) -> Baseline | None:
        """What is subtracted from the labels."""
        return None if self.baseline is None else Baseline(pairs=self.baseline)


class Fault(Section):
    """Why there is no fit."""

    error: str
    """Name of its class."""
    message: str


def write_request(
    scratch: Path, request: Request, structures: tuple[LabelledStructure, ...]
) -> None:
    """Write both files."""
    write_whole(scratch / STRUCTURES, labelled_text(structures).encode())
    write_whole(scratch / REQUEST, request.model_dump_json().encode())


def read_request(scratch: Path) -> tuple[Request, tuple[LabelledStructure, ...]]:
    """Read both files."""
    request = Request.model_validate_json((scratch / REQUEST).read_bytes())
    return request, read_labelled(scratch / STRUCTURES)
