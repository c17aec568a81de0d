"""The process that fits: `python -m mlip_kmc.learning.refit.process`, in a directory with a request.

It writes NAME.yaml, NAME.yace, NAME.asi, NAME.record.json and NAME.fit.json there, or `answer.json` with what is wrong.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mlip_kmc.evaluate.gamma import Extrapolation, Projector
from mlip_kmc.ground.errors import MlipKmcError, PotentialError
from mlip_kmc.ground.files import sha256_of, write_whole
from mlip_kmc.ground.wording import counted, six_digits
from mlip_kmc.learning.active_set_maker import inverses_bytes
from mlip_kmc.learning.errors import Errors, errors_on
from mlip_kmc.learning.refit.design import LinearBasis
from mlip_kmc.learning.refit.linear import Fitted, carried_over, fit_linear
from mlip_kmc.learning.refit.pacemaker import fit_pacemaker
from mlip_kmc.learning.refit.report import SUFFIX, Fit, FitKind, fit_bytes, read_guarded
from mlip_kmc.learning.refit.request import ANSWER, Fault, Request, read_request
from mlip_kmc.learning.refit.support import Made, carried_on, new_active_set
from mlip_kmc.model.labelled import LabelledStructure, Role
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.record import Recipe, Training, record_path, write_record

PACKAGES = ("ase", "numpy", "python-ace", "scipy")
"""What the numbers depend on; the record keeps the versions."""


def main() -> None:
    """Fit what is asked for in this directory."""
    scratch = Path.cwd()
    try:
        request, structures = read_request(scratch)
        fit_in(scratch, request, structures)
    except MlipKmcError as error:
        fault = Fault(error=type(error).__name__, message=str(error))
        write_whole(scratch / ANSWER, fault.model_dump_json().encode())
        sys.exit(error.exit_code)


def fit_in(scratch: Path, request: Request, structures: Sequence[LabelledStructure]) -> None:
    """Fit, and write all files.

    Raises:
        PotentialError: the basis is not linear, the structures do not span it, or nothing comes out.
        ProgramError: pacemaker failed.
    """
    backends = {"linear": _by_ridge, "pacemaker": _by_pacemaker}
    backends[request.section.backend](scratch, request, structures)


def _by_ridge(scratch: Path, request: Request, structures: Sequence[LabelledStructure]) -> None:
    present, basis = request.present(), LinearBasis.read(request.basis)
    old = LinearBasis.read(request.yaml)
    same_functions = request.basis == request.yaml
    remarks: list[str] = []
    prior, anchored = None, None
    if request.kind is FitKind.CORRECTION:
        anchored = old
        prior = basis.coefficients if same_functions else carried_over(old, basis)
        if prior is None:
            remarks.append(
                "the larger basis does not hold the present one's functions: only anchors carry the old potential"
            )
    fitted = fit_linear(
        basis,
        structures,
        section=request.section,
        baseline=request.under(),
        prior=prior,
        old=anchored,
    )
    yaml = scratch / f"{request.name}.yaml"
    write_basis(basis.with_coefficients(fitted.coefficients), yaml)
    basis.check_linear(fitted.checked, yaml, fitted.coefficients, structures[0].atoms)
    grade = Extrapolation.of(present) if same_functions else None
    made = (
        new_active_set(yaml, structures, fitted.shares)
        if grade is None
        else carried_on(grade, structures, projector=basis.projector)
    )
    finish(scratch, request, structures, present=present, made=made, fitted=fitted, remarks=remarks)


def _by_pacemaker(scratch: Path, request: Request, structures: Sequence[LabelledStructure]) -> None:
    present = request.present()
    if request.basis != request.yaml:
        raise PotentialError(
            "refit.larger_bases are for the linear back end: pacemaker begins with the present coefficients; make a larger "
            "potential with pacemaker's own ladder, and begin a campaign with it"
        )
    basis, shares = fit_pacemaker(
        scratch,
        request.yaml,
        structures,
        section=request.section,
        baseline=request.under(),
        present=replace(present, baseline=request.under()),
    )
    yaml = scratch / f"{request.name}.yaml"
    write_basis(basis, yaml)
    grade = Extrapolation.of(present)
    if grade is not None and not grade.full:
        made = carried_on(grade, structures, projector=Projector(yaml))
    elif request.kind is FitKind.WHOLE:
        made = new_active_set(yaml, structures, shares)
    else:
        raise PotentialError(
            f"the active set {request.asi} is of the linearised energy, which changes with every fit; give the training set, or "
            "make a linear active set with mlip-kmc potential activeset"
        )
    finish(
        scratch,
        request,
        structures,
        present=present,
        made=made,
        remarks=(
            f"pacemaker, at most {counted(request.section.pacemaker_iterations, 'iteration')}",
        ),
    )


def write_basis(basis: Any, yaml: Path) -> None:
    """Write the B-basis, and the `.yace` that is made from what was written."""
    from mlip_kmc.potential.python_ace import ACEBBasisSet, MapStringString

    basis.metadata = MapStringString()  # the metadata of another fit
    basis.save(str(yaml))
    ACEBBasisSet(str(yaml)).to_ACECTildeBasisSet().save_yaml(str(yaml.with_suffix(".yace")))


def finish(
    scratch: Path,
    request: Request,
    structures: Sequence[LabelledStructure],
    *,
    present: AcePotential,
    made: Made,
    fitted: Fitted | None = None,
    remarks: Sequence[str],
) -> None:
    """Write active set, record and facts; the `.yaml` and `.yace` are there."""
    yace = scratch / f"{request.name}.yace"
    write_whole(yace.with_suffix(".asi"), inverses_bytes(made.inverses))
    bare = AcePotential.read(yace, check_record=False)
    record = bare.new_record().model_copy(
        update={
            "recipe": Recipe(
                name=f"mlip-kmc refit ({request.section.backend}, {request.kind}) of {present.digest}",
                versions={name: metadata.version(name) for name in PACKAGES},
            ),
            "training": _training(present, structures, request.kind, cutoff_A=bare.cutoff_A),
            "baseline": request.baseline,
        }
    )
    write_record(record_path(yace), record)
    guarded = read_guarded(yace, present=replace(present, baseline=request.under()))
    facts = Fit(
        kind=request.kind,
        backend=request.section.backend,
        present=present.digest,
        basis=sha256_of(request.basis),
        structures=_counts(structures),
        strength=fitted.strength if fitted else None,
        losses=tuple((one, six_digits(loss)) for one, loss in fitted.losses) if fitted else (),
        errors=_errors(guarded, structures),
        active_atoms=made.atoms,
        largest_gamma=six_digits(made.largest_gamma),
        remarks=tuple(remarks),
    )
    write_whole(scratch / f"{request.name}{SUFFIX}", fit_bytes(facts))


def _training(
    present: AcePotential,
    structures: Sequence[LabelledStructure],
    kind: FitKind,
    *,
    cutoff_A: float,
) -> Training | None:
    """The record's: of a correction, the old set's as far as it is known, with what came to it."""
    new = Training.of([one.atoms for one in structures], cutoff_A=cutoff_A)
    if kind is FitKind.WHOLE:
        return new
    old = present.record.training if present.record else None
    if old is None:
        return None
    one, other = old.smallest_distance_A, new.smallest_distance_A
    return Training(
        structures=old.structures + new.structures,
        atoms=old.atoms + new.atoms,
        smallest_distance_A={
            pair: min(one.get(pair, np.inf), other.get(pair, np.inf))
            for pair in sorted({*one, *other})
        },
    )


def _counts(structures: Sequence[LabelledStructure]) -> dict[str, int]:
    return {
        str(role): count for role in Role if (count := sum(one.role is role for one in structures))
    }


def _errors(potential: AcePotential, structures: Sequence[LabelledStructure]) -> dict[str, Errors]:
    found = {}
    for role in _counts(structures):
        errors = errors_on(potential, [one for one in structures if one.role == role])
        found[role] = Errors(
            structures=errors.structures,
            energy_rmse_eV_per_atom=six_digits(errors.energy_rmse_eV_per_atom),
            force_rmse_eV_per_A=six_digits(errors.force_rmse_eV_per_A),
        )
    return found


if __name__ == "__main__":
    main()
