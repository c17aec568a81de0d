"""Builds a release: the checks, the files, the manifest, and the zip. The same inputs give the same bytes.

Example:
    deployer = ProductionDeployer(load_settings(Path("release.yaml")))
    deployer.build(Path("my-run"), into=Path("."))         # release_v1.0.zip

Nothing is written before the gate has passed. The release's date is SOURCE_DATE_EPOCH, the settings' date, or that of the last
start of the run after which a KMC step was made; it is never taken from the clock.
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
from mlip_kmc.report.page import render


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
