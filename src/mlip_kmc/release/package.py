"""Builds a release: the checks, the files, the manifest, and the zip. The same inputs give the same bytes.

Example:
    deployer = ProductionDeployer(load_settings(Path("release.yaml")))
    deployer.build(Path("my-run"), into=Path("."))         # release_v1.0.zip

Nothing is written before the gate has passed. The release's date is SOURCE_DATE_EPOCH, the settings' date, or that of the last
start of the run after which a KMC step was made; it is never taken from the clock.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ase import Atoms

from mlip_kmc.ground.environment import source_date_epoch
from mlip_kmc.ground.errors import ReleaseError, StructureError
from mlip_kmc.ground.files import make_directory, write_durably
from mlip_kmc.ground.scratch import temporary
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.record import Training
from mlip_kmc.release import members
from mlip_kmc.release.agreement import agreement_check, gamma_check
from mlip_kmc.release.archive import packed
from mlip_kmc.release.card import card, gate_rows
from mlip_kmc.release.checks import forces_check, image_check, training_check
from mlip_kmc.release.consistency import refuse_contradictions
from mlip_kmc.release.crate import CrateFacts, crate
from mlip_kmc.release.gate import Check, check_allowed, pass_gate
from mlip_kmc.release.history import halts_check
from mlip_kmc.release.inputs import example_of, ready_inputs
from mlip_kmc.release.manifest import (
    FileEntry,
    GammaThresholds,
    GradedExample,
    GroupErrors,
    ProductionManifest,
    TrainingSet,
    ValidationMetrics,
    release_name,
    schema_bytes,
)
from mlip_kmc.release.parts_list import parts_list
from mlip_kmc.release.reference_checks import reference_checks
from mlip_kmc.release.settings import ReleaseSettings
from mlip_kmc.release.smoothness import baseline_check, cutoff_check, cutoffs_of
from mlip_kmc.release.subject import Subject
from mlip_kmc.release.symmetry import symmetry_checks
from mlip_kmc.release.training import ANY_GROUP, LabelledSet, SetErrors
from mlip_kmc.release.validation import validation_check
from mlip_kmc.report import render


@dataclass(frozen=True)
class _Sets:
    """The training set, the validation set if there is one, their errors, and how many structures both have."""

    training: LabelledSet
    training_errors: Mapping[str, SetErrors]
    validation: LabelledSet | None
    validation_errors: Mapping[str, SetErrors]
    shared: int


class ProductionDeployer:
    """Builds the release of a run's potential: a zip that holds the potential, its manifest, checks and report.

    Attributes:
        name: name of the zip without its suffix, as `release_v1.0`.
        version: semantic version of the release.
        author: its author.
        organization: the author's organization.
        settings: the settings that it was made with.

    Example:
        from mlip_kmc.release.package import ProductionDeployer
        from mlip_kmc.release.settings import load_settings

        deployer = ProductionDeployer(load_settings(Path("release.yaml")), on_check=print)
        package = deployer.build(Path("my-run"), into=Path("releases"))
    """

    def __init__(
        self,
        settings: ReleaseSettings,
        *,
        on_doing: Callable[[str], None] = lambda _: None,
        on_check: Callable[[Check], None] = lambda _: None,
    ) -> None:
        """Check that the settings are complete; no file is touched before `build`.

        Args:
            settings: settings of the release, from `load_settings`.
            on_doing: called with a description of each step before it begins.
            on_check: called with each check of the gate after it was made.

        Raises:
            ReleaseError: the version, the author, the organization or the training set is missing, or `allow` names a check that
                does not exist.
        """
        if settings.version is None or settings.author is None:
            missing = "version" if settings.version is None else "author"
            raise ReleaseError(
                f"a release needs its {missing}: set release.{missing}, or give it to `mlip-kmc release build "
                f"--{missing}`"
            )
        if settings.organization is None:
            raise ReleaseError(
                "a release needs the organization of its author, for archives: set release.organization, as "
                "{name: Example University, url: https://example.org}; where there is none, the author's own name "
                "and page"
            )
        if not settings.training_sets:
            raise ReleaseError(
                "a release needs the set that its potential was fitted to: set release.training_sets, or give "
                "it to `mlip-kmc release build --training-set FILE`"
            )
        check_allowed(settings.allow)
        self.settings = settings
        self.version, self.author, self.organization = (
            settings.version,
            settings.author,
            settings.organization,
        )
        self.name = release_name(settings.version)
        self._doing, self._note = on_doing, on_check

    def build(self, run_dir: Path, *, into: Path, potential: AcePotential | None = None) -> Path:
        """Check the run's potential and write the package.

        Args:
            run_dir: the run directory; the run need not be at rest.
            into: the directory for the zip; it is made where it is missing.
            potential: the run's potential, where its files have been moved since the run; None: the files that the run used.

        Returns:
            path of the zip.

        Raises:
            ReleaseError: a check of the gate failed, or a package of that version exists with other content.
            MlipKmcError: the run, the potential or a set cannot be read.
        """
        with (
            Subject.read(run_dir, image=self.settings.image, potential=potential) as subject,
            temporary("release") as scratch,
        ):
            data = self._packed(subject, scratch)
        target = make_directory(into) / f"{self.name}.zip"
        if target.exists() and target.read_bytes() != data:
            raise ReleaseError(
                f"{target} is there already, with another content: a version is released once; set another "
                "release.version, or remove it"
            )
        write_durably(target, data)
        return target

    def finalize(self, run_dir: Path) -> Path:
        """Build the release in `run_dir/release`; a package of that version that exists there is kept.

        Args:
            run_dir: the directory of a run that has reached its target.

        Returns:
            path of the zip.

        Raises:
            MlipKmcError: as `build`.
        """
        target = run_dir / "release" / f"{self.name}.zip"
        return target if target.is_file() else self.build(run_dir, into=target.parent)

    def _packed(self, subject: Subject, scratch: Path) -> bytes:
        example, sets = example_of(subject.atoms), self._sets(subject)
        inputs = ready_inputs(subject.potential, example)
        checks, (energy_eV, gamma) = self._checked(subject, example, sets, inputs, scratch)
        date = self._date(subject)
        files = {
            **inputs,
            **self._potential_files(subject),
            members.SCHEMA: schema_bytes(),
            members.PARTS: parts_list(subject.parts, image=subject.image, at=date),
        }
        if self.settings.include_training_set:
            files[members.TRAINING] = sets.training.to_xyz()
        manifest = self._manifest(
            subject,
            sets,
            checks,
            date=date,
            example=GradedExample(
                atoms=len(example),
                energy_eV=float(f"{energy_eV:.10f}"),
                gamma=float(f"{gamma:.6g}"),
            ),
        )
        refuse_contradictions(manifest)
        report = replace(subject.report, name=f"{manifest.title} {self.version}")
        files[members.REPORT] = render(report, gate=gate_rows(checks), release=self.name).encode()
        files[members.CARD] = card(manifest).encode()
        files[members.CRATE] = crate(
            _crate_facts(manifest), files=[*files, members.MANIFEST, members.SUMS]
        )
        manifest = manifest.model_copy(update={"files": _entries(files)})
        files[members.MANIFEST] = manifest.to_json()
        files[members.SUMS] = sums_of(files)
        _check_sizes(files)
        return packed(files, at=date)

    def _sets(self, subject: Subject) -> _Sets:
        self._doing("evaluating the training set")
        training = LabelledSet.read(self.settings.training_sets)
        validation = (
            None
            if self.settings.validation_set is None
            else LabelledSet.read((self.settings.validation_set,))
        )
        for one in filter(None, (training, validation)):
            symbols = {
                symbol for entry in one.structures for symbol in entry.atoms.get_chemical_symbols()
            }
            if unknown := sorted(symbols - set(subject.potential.elements)):
                raise StructureError(
                    f"a set holds {', '.join(unknown)}, which the potential does not know; name the set that it "
                    "was fitted to"
                )
        calculator = subject.for_short_range()
        return _Sets(
            training=training,
            training_errors=training.errors(calculator),
            validation=validation,
            validation_errors=validation.errors(calculator) if validation else {},
            shared=validation.shared_with(training) if validation else 0,
        )

    def _checked(
        self,
        subject: Subject,
        example: Atoms,
        sets: _Sets,
        inputs: Mapping[str, bytes],
        scratch: Path,
    ) -> tuple[tuple[Check, ...], tuple[float, float]]:
        """The gate, and the example's energy in eV and largest gamma."""
        found: list[Check] = []

        def note(*checks: Check) -> None:
            for check in checks:
                found.append(check)
                self._note(check)

        potential, calculator = subject.potential, subject.for_short_range()
        self._doing("comparing forces with the energy's gradient")
        note(forces_check(subject.atoms, subject.potential))
        self._doing("turning, moving and reordering the atoms")
        note(*symmetry_checks(example, calculator))
        self._doing("looking for jumps")
        note(cutoff_check(cutoffs_of(potential), calculator=calculator))
        pairs = potential.baseline.pairs if potential.baseline else {}
        note(
            baseline_check(
                {name: (pair.inner_A, pair.outer_A) for name, pair in pairs.items()},
                calculator=calculator,
            )
        )
        self._doing("comparing LAMMPS, python-ace and the driver")
        paths, energy_eV = agreement_check(
            potential, example, inputs=inputs, folder=scratch / "paths"
        )
        graded, gamma = gamma_check(potential, example, folder=scratch / "gamma")
        note(paths, graded)
        self._doing("computing reference values")
        for check in reference_checks(
            self.settings.references,
            calculator=calculator,
            elements=potential.elements,
            cutoff_A=potential.cutoff_A,
            lowest_barrier_eV=subject.lowest_barriers(),
        ):
            note(check)
        view, record = subject.view, potential.record
        note(
            halts_check(
                events=view.events,
                searches=view.searches,
                present=view.numbers.state,
                halt=view.numbers.halt,
                steps=self.settings.quiet_steps,
            ),
            training_check(sets.training, record, cutoff_A=potential.cutoff_A),
            validation_check(
                self._metrics(subject, sets),
                self._held_out(subject, sets),
                limits=self.settings.validation_limits,
                shared=sets.shared,
                from_set=sets.validation is not None,
            ),
            image_check(subject.image, made_of=subject.image_recipe),
        )
        return pass_gate(found, allowed=self.settings.allow), (energy_eV, gamma)

    def _held_out(self, subject: Subject, sets: _Sets) -> Mapping[str, SetErrors]:
        """By group, errors on structures that it was not fitted to: of the given set, else those that the record tells of."""
        metrics = self._metrics(subject, sets)
        if sets.validation is not None or metrics is None:
            return sets.validation_errors
        return {
            ANY_GROUP: SetErrors(
                structures=metrics.structures,
                energy_eV_per_atom=metrics.energy_rmse_eV_per_atom,
                force_eV_per_A=metrics.force_rmse_eV_per_A,
            )
        }

    def _metrics(self, subject: Subject, sets: _Sets) -> ValidationMetrics | None:
        if sets.validation is not None:
            errors = _together(sets.validation_errors, sets.validation)
            return ValidationMetrics(
                structures=errors.structures,
                energy_rmse_eV_per_atom=errors.energy_eV_per_atom,
                force_rmse_eV_per_A=errors.force_eV_per_A,
                source="a set that was evaluated for this release",
            )
        record = subject.potential.record
        if record is None or record.test_errors is None:
            return None
        return ValidationMetrics(**record.test_errors.model_dump(), source="the potential's record")

    def _manifest(
        self,
        subject: Subject,
        sets: _Sets,
        checks: tuple[Check, ...],
        *,
        date: datetime,
        example: GradedExample,
    ) -> ProductionManifest:
        settings, potential, training = self.settings, subject.potential, sets.training
        grade = subject.report.grade
        about = Training.of([one.atoms for one in training.structures], cutoff_A=potential.cutoff_A)
        return ProductionManifest(
            name=self.name,
            title=self._title(subject),
            description=settings.description,
            version=self.version,
            author=self.author,
            organization=self.organization,
            creation_date=date,
            citation=settings.citation,
            licences=settings.licences,
            elements=potential.elements,
            cutoff_A=potential.cutoff_A,
            baseline=dict(potential.baseline.pairs) if potential.baseline else None,
            minimum_distance_A=dict(potential.minimum_distance_A),
            gamma=GammaThresholds(select=grade.select or 0.0, halt=grade.halt or 0.0),
            training_set_size=len(training.structures),
            training_set=TrainingSet(
                fingerprint=training.fingerprint,
                files=training.files,
                structures=len(training.structures),
                atoms=training.atoms,
                smallest_distance_A=about.smallest_distance_A,
                included=self.settings.include_training_set,
            ),
            validation_metrics=self._metrics(subject, sets),
            errors_by_group=(
                *_by_group("training", sets.training_errors),
                *_by_group("validation", sets.validation_errors),
            ),
            validation_limits=settings.validation_limits,
            oracle=settings.oracle,
            run=subject.run,
            image=subject.image,
            parts=subject.parts.told(),
            checks=checks,
            good_for=settings.good_for,
            not_for=settings.not_for,
            example=example,
            files={},
        )

    def _title(self, subject: Subject) -> str:
        return self.settings.title or f"ACE potential for {', '.join(subject.potential.elements)}"

    def _date(self, subject: Subject) -> datetime:
        epoch = source_date_epoch()
        if epoch is not None:
            return datetime.fromtimestamp(epoch, tz=UTC)
        if self.settings.date is not None:
            return self.settings.date
        starts, steps = subject.view.starts, len(subject.view.events)
        last = max((start.time_s for start in starts if start.kmc_step < steps), default=0.0)
        if not last:
            raise ReleaseError(
                "no start of the run made a KMC step, so it has no date; set SOURCE_DATE_EPOCH, or release.date"
            )
        return datetime.fromtimestamp(int(last), tz=UTC)

    @staticmethod
    def _potential_files(subject: Subject) -> dict[str, bytes]:
        potential = subject.potential
        files = {members.YACE: potential.yace.read_bytes()}
        if potential.basis is not None and potential.active_set is not None:
            files |= {
                members.BASIS: potential.basis.read_bytes(),
                members.ACTIVE_SET: potential.active_set.read_bytes(),
            }
        if potential.record is not None:
            files[members.RECORD] = potential.record.to_json()
        read = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        if [read.get(name) for name in (members.YACE, members.BASIS, members.ACTIVE_SET)] != [
            potential.digest,
            potential.basis_digest,
            potential.active_set_digest,
        ]:
            raise ReleaseError(
                f"{potential.yace} or a file beside it changed while it was checked; build the release again"
            )
        return files


def _by_group(
    kind: Literal["training", "validation"], found: Mapping[str, SetErrors]
) -> list[GroupErrors]:
    return [
        GroupErrors(
            set=kind,
            group=group,
            structures=errors.structures,
            energy_rmse_eV_per_atom=errors.energy_eV_per_atom,
            force_rmse_eV_per_A=errors.force_eV_per_A,
        )
        for group, errors in found.items()
    ]


def _check_sizes(files: Mapping[str, bytes]) -> None:
    """Refuse to write what `verify` would refuse to read."""
    for name, content in files.items():
        most = members.MEMBERS[name].most_bytes
        if len(content) > most:
            raise ReleaseError(
                f"{name} would have {len(content)} bytes, and may have {most}; a large training set goes "
                "elsewhere: its fingerprint tells it apart"
            )


def sums_of(files: Mapping[str, bytes]) -> bytes:
    """What `sha256sum --check` reads: every file but this one."""
    return "".join(
        f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n"
        for name in members.MEMBERS
        if name in files and name != members.SUMS
    ).encode()


def _entries(files: Mapping[str, bytes]) -> dict[str, FileEntry]:
    return {
        name: FileEntry(sha256=hashlib.sha256(files[name]).hexdigest(), bytes=len(files[name]))
        for name in members.MEMBERS
        if name in files
    }


def _together(by_group: Mapping[str, SetErrors], whole: LabelledSet) -> SetErrors:
    """Root mean squares of all groups: energies count by structure, forces by component."""
    weights = {
        group: sum(len(one.atoms) for one in whole.structures if one.group == group)
        for group in by_group
    }
    count = sum(errors.structures for errors in by_group.values())
    energy = (
        sum(errors.structures * errors.energy_eV_per_atom**2 for errors in by_group.values())
        / count
    )
    force = sum(
        weights[group] * errors.force_eV_per_A**2 for group, errors in by_group.items()
    ) / sum(weights.values())
    return SetErrors(
        structures=count,
        energy_eV_per_atom=float(f"{energy**0.5:.3g}"),
        force_eV_per_A=float(f"{force**0.5:.3g}"),
    )


def _crate_facts(manifest: ProductionManifest) -> CrateFacts:
    return CrateFacts(
        title=manifest.title,
        description=manifest.description or manifest.title,
        version=manifest.version,
        author=manifest.author,
        organization=manifest.organization,
        licence=manifest.licences.potential,
        citation=manifest.citation,
        date=manifest.creation_date,
        elements=manifest.elements,
        parts=manifest.parts,
        run=manifest.run.id,
    )
