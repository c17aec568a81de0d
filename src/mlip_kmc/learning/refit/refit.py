"""Fit a potential again, in a process of its own, and place its files durably.

report = refit(present, training=training, labels=labels, section=section, directory=Path("gen-001"), name="gen-001")
"""

import re
import time
from collections.abc import Sequence
from pathlib import Path

from ase import Atoms
from pydantic import ValidationError

from mlip_kmc.config.campaign import RefitSection
from mlip_kmc.ground import errors
from mlip_kmc.ground.errors import MlipKmcError, PotentialError, ProgramError
from mlip_kmc.ground.files import make_directory, write_durably
from mlip_kmc.ground.programs import Finished, Program, ProgramEnd
from mlip_kmc.ground.scratch import temporary
from mlip_kmc.learning.errors import baseline_under
from mlip_kmc.learning.refit.anchors import anchors_of
from mlip_kmc.learning.refit.larger import check_larger
from mlip_kmc.learning.refit.linear import in_order
from mlip_kmc.learning.refit.report import SUFFIX, FitKind, FitReport, read_fit
from mlip_kmc.learning.refit.request import ANSWER, KERNELS, Fault, Request, write_request
from mlip_kmc.model.labelled import LabelledStructure
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.baseline import Pairs

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII)
_FILES = (".yaml", ".yace", ".asi", ".record.json", SUFFIX)
"""In the order in which they are placed: the last one says that all are there."""
_AROUND_S = 600.0
"""Beyond `refit.time_limit_min`: pacemaker's own limit comes first, and active set and files take time, too."""


def refit(
    present: AcePotential,
    *,
    training: Sequence[LabelledStructure],
    labels: Sequence[LabelledStructure],
    section: RefitSection,
    directory: Path,
    name: str,
    basis: Path | None = None,
    anchors_from: Sequence[Atoms] = (),
) -> FitReport:
    """Fit a potential again.

    The same structures, in any order, give the same files, byte by byte, with the same versions of the packages in the record.

    Args:
        present: the potential to begin from, with B-basis and active set.
        training: the set that it was fitted to; empty where that is not known: it is then corrected.
        labels: what the oracle labelled.
        section: back end, strengths, weights.
        directory: where NAME.yaml, .yace, .asi, .record.json and .fit.json come to lie, the last one when all others do.
        name: letters, digits and `_ . -`.
        basis: a larger B-basis to fit instead of the present one.
        anchors_from: structures whose copies are anchors, where the set is not known; those of the labels where none is given.

    Raises:
        PotentialError: it cannot be fitted: it is not linear, or the structures do not span its basis.
        ProgramError: the process failed, or took too long. StructureError: a label's number is not finite. StorageError.
    """
    begin = time.monotonic()
    request, structures = requested(
        present,
        training=training,
        labels=labels,
        section=section,
        name=name,
        basis=basis,
        anchors_from=anchors_from,
    )
    _carry_out(request, structures, directory)
    report = read_fit(directory, name, present=present)
    if report is None:  # placed a moment ago
        raise ProgramError(f"the files of {directory / name} are gone; refit again")
    return FitReport(report.potential, report.facts, seconds=time.monotonic() - begin)


def requested(
    present: AcePotential,
    *,
    training: Sequence[LabelledStructure],
    labels: Sequence[LabelledStructure],
    section: RefitSection,
    name: str,
    basis: Path | None,
    anchors_from: Sequence[Atoms],
) -> tuple[Request, tuple[LabelledStructure, ...]]:
    """What the process is asked for, and the structures in their order, anchors among them; see `refit`.

    Raises:
        PotentialError: nothing can be fitted.
    """
    if present.basis is None or present.active_set is None:
        raise PotentialError(
            f"{present.yace} has no B-basis .yaml and active set .asi, which a refit begins from; name both"
        )
    if not _NAME.fullmatch(name):
        raise ValueError(f"a refit's name has letters, digits and _ . - (it is {name!r})")
    if basis is not None:
        check_larger(basis, present=present)
    kind = FitKind.WHOLE if training else FitKind.CORRECTION
    structures = [*training, *labels]
    if kind is FitKind.CORRECTION:
        originals = anchors_from or [one.atoms for one in labels]
        structures += anchors_of(present, originals, count=section.anchors)
    if not structures:
        raise PotentialError("there is nothing to fit: no training set, no labels and no anchors")
    baseline = baseline_under(present)
    pairs: Pairs | None = dict(baseline.pairs) if baseline else None
    request = Request(
        name=name,
        yace=present.yace,
        yaml=present.basis.absolute(),
        asi=present.active_set.absolute(),
        basis=(basis or present.basis).absolute(),
        kind=kind,
        section=section,
        baseline=pairs,
    )
    return request, in_order(structures)


def _carry_out(
    request: Request, structures: tuple[LabelledStructure, ...], directory: Path
) -> None:
    """Fit in a scratch directory, and place the files."""
    with temporary("refit") as scratch:
        write_request(scratch, request, structures)
        done = Program.of_python().run(
            ["-m", "mlip_kmc.learning.refit.process"],
            cwd=scratch,
            time_limit_s=60.0 * request.section.time_limit_min + _AROUND_S,
            variables=KERNELS,
        )
        _refuse(done, scratch)
        make_directory(directory)
        (directory / f"{request.name}{SUFFIX}").unlink(missing_ok=True)
        for suffix in _FILES:
            file = f"{request.name}{suffix}"
            write_durably(directory / file, (scratch / file).read_bytes())


def _refuse(done: Finished, scratch: Path) -> None:
    """Raise here what ended the process there.

    Raises:
        MlipKmcError: of the class that it was of.
    """
    if done.end is ProgramEnd.EXITED and done.returncode == 0:
        return
    try:
        fault = Fault.model_validate_json((scratch / ANSWER).read_bytes())
    except (OSError, ValidationError) as error:
        how = f"exit code {done.returncode}" if done.end is ProgramEnd.EXITED else done.end.value
        raise ProgramError(
            f"the process that fits failed ({how}): {done.last_line() or 'it said nothing'}"
        ) from error
    kind = getattr(errors, fault.error, PotentialError)
    raise kind(fault.message) if issubclass(kind, MlipKmcError) else PotentialError(fault.message)
