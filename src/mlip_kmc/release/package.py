"""Puts a release together: the checks, the files, the manifest, and the zip, the same one from the same inputs.

    deployer = ProductionDeployer(load_settings(Path("release.yaml")))
    deployer.build(Path("my-run"), into=Path("."))         # release_v1.0.zip

Nothing is written before the gate has passed. The time in it is SOURCE_DATE_EPOCH, the settings' date, or that of the last start
of the run that made a step, never the clock's.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from mlip_kmc.ground.errors import ReleaseError
from mlip_kmc.ground.files import make_directory, write_durably
from mlip_kmc.ground.scratch import temporary
from mlip_kmc.potential import AcePotential
from mlip_kmc.release import members
from mlip_kmc.release.archive import packed
from mlip_kmc.release.card import card, gate_rows
from mlip_kmc.release.consistency import refuse_contradictions
from mlip_kmc.release.contents import check_sizes, entries_of, potential_files, sums_of
from mlip_kmc.release.crate import crate
from mlip_kmc.release.evaluated_sets import EvaluatedSets
from mlip_kmc.release.examination import Examination
from mlip_kmc.release.gate import Check, check_allowed
from mlip_kmc.release.inputs import example_of, ready_inputs
from mlip_kmc.release.manifest import ProductionManifest, schema_bytes
from mlip_kmc.release.parts_list import parts_list
from mlip_kmc.release.settings import ReleaseSettings
from mlip_kmc.release.statement import Identity, crate_facts, date_of, manifest_of
from mlip_kmc.release.subject import Subject
from mlip_kmc.report import render


class ProductionDeployer:
    """Builds releases."""

    def __init__(
        self,
        settings: ReleaseSettings,
        *,
        on_doing: Callable[[str], None] = lambda _: None,
        on_check: Callable[[Check], None] = lambda _: None,
    ) -> None:
        """Take note of what to do; nothing is touched yet.

        Args:
            settings: of the person or the site, and of this release.
            on_doing: called with what is done next.
            on_check: called with every check.

        Raises:
            ReleaseError: there is no version, no author, no organization, no training set, or no such check to allow.
        """
        self._identity = Identity.of(settings)
        if not settings.training_sets:
            raise ReleaseError(
                "a release needs the set that its potential was fitted to: set release.training_sets, or give "
                "it to `mlip-kmc release build --training-set FILE`"
            )
        check_allowed(settings.allow)
        self.settings = settings
        self.name, self.version = self._identity.name, self._identity.version
        self.author, self.organization = self._identity.author, self._identity.organization
        self._doing, self._note = on_doing, on_check

    def build(self, run_dir: Path, *, into: Path, potential: AcePotential | None = None) -> Path:
        """Check the run's potential and write the package.

        Args:
            run_dir: the run.
            into: the directory that gets the zip; made if it is missing.
            potential: the run's, where it is not any more where the run found it.

        Returns:
            the zip.

        Raises:
            ReleaseError: the gate refuses, or the package is there already with another content.
            MlipKmcError: of its kinds, where the run, the potential or the set cannot be read.
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
        """The last step of a run that reached its target: its release, in the run's folder `release`; one that is there stays.

        Raises:
            MlipKmcError: as of `build`.
        """
        target = run_dir / "release" / f"{self.name}.zip"
        return target if target.is_file() else self.build(run_dir, into=target.parent)

    def _packed(self, subject: Subject, scratch: Path) -> bytes:
        """The zip's bytes, after the gate has passed."""
        potential, example = subject.potential, example_of(subject.atoms)
        self._doing("evaluating the training set")
        sets = EvaluatedSets.read(subject, self.settings)
        inputs = ready_inputs(potential, example)
        examined = Examination(
            subject=subject,
            sets=sets,
            settings=self.settings,
            on_doing=self._doing,
            on_check=self._note,
        ).run(example, inputs=inputs, folder=scratch)
        date = date_of(subject, self.settings)
        files = {
            **inputs,
            **potential_files(potential),
            members.SCHEMA: schema_bytes(),
            members.PARTS: parts_list(subject.parts, image=subject.image, at=date),
        }
        if self.settings.include_training_set:
            files[members.TRAINING] = sets.training.to_xyz()
        manifest = manifest_of(
            subject,
            sets,
            examined,
            settings=self.settings,
            identity=self._identity,
            date=date,
            atoms=len(example),
        )
        return packed(self._described(files, manifest, subject), at=date)

    def _described(
        self, files: Mapping[str, bytes], manifest: ProductionManifest, subject: Subject
    ) -> dict[str, bytes]:
        """The files with those that tell of them: the report, the card, the crate, the manifest and the sums."""
        refuse_contradictions(manifest)
        report = replace(subject.report, name=f"{manifest.title} {self.version}")
        page = render(report, gate=gate_rows(manifest.checks), release=self.name)
        whole = {**files, members.REPORT: page.encode(), members.CARD: card(manifest).encode()}
        whole[members.CRATE] = crate(
            crate_facts(manifest), files=[*whole, members.MANIFEST, members.SUMS]
        )
        manifest = manifest.model_copy(update={"files": entries_of(whole)})
        whole[members.MANIFEST] = manifest.to_json()
        whole[members.SUMS] = sums_of(whole)
        check_sizes(whole)
        return whole
