"""The structure and the potential that the configuration names, and whether they fit each other."""

import numpy as np
from ase import Atoms

from mlip_kmc.check.findings import Finding, Level, Value
from mlip_kmc.config import Config
from mlip_kmc.ground.wording import counted
from mlip_kmc.model.structure import Prepared, fixed_atoms, unused_in, width
from mlip_kmc.potential import AsePotential, BuiltinPotential, DrivenPotential, Potential, ace_of
from mlip_kmc.potential.fit import fitted
from mlip_kmc.potential.inputs import potential_of, structure_of


def read(config: Config) -> tuple[list[Finding], Atoms]:
    """Read the structure; its finding comes with `fit`.

    Raises:
        StructureError: it cannot be read.
    """
    return [], structure_of(config)


def potential(config: Config) -> tuple[list[Finding], Potential]:
    """Read the potential.

    Raises:
        PotentialError: it cannot be read.
    """
    found = potential_of(config)
    values: dict[str, Value] = {"elements": found.elements, "cutoff_A": found.cutoff_A}
    if (ace := ace_of(found)) is not None:
        text = (
            f"{ace.yace.name}: {', '.join(ace.elements)}, cutoff {ace.cutoff_A:g} A, evaluator {ace.evaluator}, "
            f"sha256 {ace.digest[:12]}"
        )
        values |= {
            "digest_sha256": ace.digest,
            "evaluator": ace.evaluator,
            "has_active_set": ace.active_set is not None,
            "has_core_repulsion": ace.core_repulsion,
            "has_baseline": ace.baseline is not None,
        }
        if ace.baseline is not None:
            text += f", with a baseline of {', '.join(ace.baseline.pairs)}"
        if ace.minimum_distance_A:
            text += f"; refused below {', '.join(f'{pair} {least:g} A' for pair, least in ace.minimum_distance_A.items())}"
        text += "; through the driver" if isinstance(found, DrivenPotential) else ""
    elif isinstance(found, DrivenPotential):
        text = f"{found.name}; its elements and cutoff are not known here"
        if isinstance(found.inner, AsePotential):
            origin = found.inner.origin()
            text += f"; from {origin.get('calculator_file', 'no file that is found')}"
            values |= dict(origin)
    else:
        text = found.described() if isinstance(found, BuiltinPotential) else found.eon_name
    level = Level.WARN if found.warnings else Level.OK
    return [
        Finding("potential", level, text, advice="; ".join(found.warnings), values=values)
    ], found


def fit(config: Config, atoms: Atoms, found: Potential | None) -> tuple[list[Finding], Prepared]:
    """The structure's own checks, and against the potential where that could be read.

    Raises:
        StructureError: it cannot be used.
    """
    prepared = fitted(atoms, found, config.structure)
    cell = np.asarray(prepared.atoms.cell.array)
    narrowest, fixed = width(cell), len(fixed_atoms(atoms))
    cutoff_A = found.cutoff_A if found else None
    text = f"{counted(len(atoms), 'atom')} of {', '.join(prepared.species)}, {fixed} fixed; cell at least {narrowest:.2f} A wide"
    if cutoff_A is not None:
        text += f", {narrowest / cutoff_A:.2f} cutoffs"
    small = cutoff_A is not None and not narrowest >= 2 * cutoff_A
    turned = not np.array_equal(prepared.rotation, np.eye(3))
    text += "; turned for eOn, results are turned back" if turned else ""
    if not np.allclose(cell @ prepared.rotation, atoms.cell.array, rtol=0, atol=1e-6):
        text += "; its cell vectors are replaced by shorter ones of the same lattice"
    unused = unused_in(atoms)
    text += f"; not used of its file: {', '.join(unused.names)}" if unused else ""
    advice = ["atoms meet their own images: use a cell of two cutoffs"] if small else []
    advice += [unused.advice] if unused.doubtful else []
    return [
        Finding(
            "structure",
            Level.WARN if advice else Level.OK,
            text,
            advice="; ".join(advice),
            values={
                "atoms": len(atoms),
                "fixed": fixed,
                "elements": prepared.species,
                "narrowest_A": narrowest,
                "cutoff_A": cutoff_A,
                "turned": turned,
                "unused": unused.names,
            },
        )
    ], prepared
