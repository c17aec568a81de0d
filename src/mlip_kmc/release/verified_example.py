"""The potential of a package, tried as a recipient tries it: LAMMPS and python-ace evaluate the example that is shipped."""

from pathlib import Path

from mlip_kmc.ground.errors import ReleaseError
from mlip_kmc.release import members
from mlip_kmc.release.gate import LIMITS
from mlip_kmc.release.manifest import GradedExample, Manifest


def try_potential(folder: Path, manifest: Manifest) -> str:
    """Evaluate the example of the unpacked files in `folder`; what was found, in words.

    Raises:
        ReleaseError: an energy or a largest gamma is not the manifest's.
    """
    from mlip_kmc.release.agreement import by_lammps, by_shipped_ase

    limit = manifest.example.tolerance_eV
    found = {
        "LAMMPS": by_lammps(folder, atoms=manifest.example.atoms)[0],
        "python-ace": by_shipped_ase(folder),
    }
    for name, energy_eV in found.items():
        off = abs(energy_eV - manifest.example.energy_eV)
        if not off <= limit:
            raise ReleaseError(
                f"{name} gives {members.STRUCTURE} {energy_eV:.10f} eV, the manifest "
                f"{manifest.example.energy_eV:.10f} eV: they differ by {off:.1e} eV, more than {limit:g}"
            )
    return (
        f"LAMMPS and python-ace give the example {manifest.example.energy_eV:.8f} eV, as the manifest says, and "
        f"{_try_gamma(folder, manifest)}"
    )


def _try_gamma(folder: Path, manifest: Manifest) -> str:
    """An active set of another potential fits this one's files, and has other gammas."""
    from mlip_kmc.model.structure import read_structure
    from mlip_kmc.potential import AcePotential
    from mlip_kmc.release.agreement import apart, both_gammas

    potential = AcePotential.read(
        folder / members.YACE, basis=folder / members.BASIS, active_set=folder / members.ACTIVE_SET
    )
    found = dict(
        zip(
            ("python-ace", "LAMMPS"),
            both_gammas(
                potential, read_structure(folder / members.STRUCTURE), folder=folder / "gamma"
            ),
            strict=True,
        )
    )
    told = manifest.example.gamma if isinstance(manifest.example, GradedExample) else None
    wanted = found["LAMMPS"] if told is None else told
    for name, gamma in found.items():
        if not apart(gamma, wanted) <= LIMITS["gamma"]:
            by = "LAMMPS" if told is None else "the manifest"
            raise ReleaseError(
                f"{name} gives {members.STRUCTURE} a largest gamma of {gamma:.6g}, {by} {wanted:.6g}: the active "
                "set is not this potential's"
            )
    return f"a largest gamma of {wanted:.4g}" + (
        ", which this manifest does not tell" if told is None else ", likewise"
    )
