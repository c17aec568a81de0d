"""What a release says of itself: its date, its manifest, and the facts of its crate."""

from dataclasses import dataclass
from datetime import UTC, datetime

from mlip_kmc.ground.environment import source_date_epoch
from mlip_kmc.ground.errors import ReleaseError
from mlip_kmc.potential.record import Training
from mlip_kmc.release.crate import CrateFacts
from mlip_kmc.release.evaluated_sets import EvaluatedSets
from mlip_kmc.release.examination import Examined
from mlip_kmc.release.manifest import (
    GammaThresholds,
    GradedExample,
    ProductionManifest,
    TrainingSet,
    release_name,
)
from mlip_kmc.release.settings import Organization, ReleaseSettings
from mlip_kmc.release.subject import Subject
from mlip_kmc.release.training import LabelledSet


@dataclass(frozen=True)
class Identity:
    """Which release it is, and whose."""

    version: str
    author: str
    organization: Organization

    @classmethod
    def of(cls, settings: ReleaseSettings) -> "Identity":
        """From the settings.

        Raises:
            ReleaseError: the version, the author or the organization is missing.
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
        return cls(settings.version, settings.author, settings.organization)

    @property
    def name(self) -> str:
        """Of the package, without a suffix."""
        return release_name(self.version)


def date_of(subject: Subject, settings: ReleaseSettings) -> datetime:
    """The release's date: SOURCE_DATE_EPOCH, the settings' date, or that of the last start after which a KMC step was made.

    Raises:
        ReleaseError: there is none of them.
    """
    epoch = source_date_epoch()
    if epoch is not None:
        return datetime.fromtimestamp(epoch, tz=UTC)
    if settings.date is not None:
        return settings.date
    starts, steps = subject.view.starts, len(subject.view.events)
    last = max((start.time_s for start in starts if start.kmc_step < steps), default=0.0)
    if not last:
        raise ReleaseError(
            "no start of the run made a KMC step, so it has no date; set SOURCE_DATE_EPOCH, or release.date"
        )
    return datetime.fromtimestamp(int(last), tz=UTC)


def manifest_of(
    subject: Subject,
    sets: EvaluatedSets,
    examined: Examined,
    *,
    settings: ReleaseSettings,
    identity: Identity,
    date: datetime,
    atoms: int,
) -> ProductionManifest:
    """The manifest, its files still left out.

    Args:
        subject: the run and its potential.
        sets: evaluated by the potential.
        examined: the checks, and what the evaluators give the example.
        settings: what the person says of the potential.
        identity: of the release.
        date: of the release.
        atoms: number of atoms of the example.
    """
    potential, training = subject.potential, sets.training
    grade = subject.report.grade
    return ProductionManifest(
        name=identity.name,
        title=settings.title or f"ACE potential for {', '.join(potential.elements)}",
        description=settings.description,
        version=identity.version,
        author=identity.author,
        organization=identity.organization,
        creation_date=date,
        citation=settings.citation,
        licences=settings.licences,
        elements=potential.elements,
        cutoff_A=potential.cutoff_A,
        baseline=dict(potential.baseline.pairs) if potential.baseline else None,
        minimum_distance_A=dict(potential.minimum_distance_A),
        gamma=GammaThresholds(select=grade.select or 0.0, halt=grade.halt or 0.0),
        training_set_size=len(training.structures),
        training_set=_training_set(
            training, cutoff_A=potential.cutoff_A, included=settings.include_training_set
        ),
        validation_metrics=sets.metrics(potential.record),
        errors_by_group=sets.by_group,
        validation_limits=settings.validation_limits,
        oracle=settings.oracle,
        run=subject.run,
        image=subject.image,
        parts=subject.parts.told(),
        checks=examined.checks,
        good_for=settings.good_for,
        not_for=settings.not_for,
        example=GradedExample(
            atoms=atoms,
            energy_eV=float(f"{examined.energy_eV:.10f}"),
            gamma=float(f"{examined.gamma:.6g}"),
        ),
        files={},
    )


def _training_set(training: LabelledSet, *, cutoff_A: float, included: bool) -> TrainingSet:
    about = Training.of([one.atoms for one in training.structures], cutoff_A=cutoff_A)
    return TrainingSet(
        fingerprint=training.fingerprint,
        files=training.files,
        structures=len(training.structures),
        atoms=training.atoms,
        smallest_distance_A=about.smallest_distance_A,
        included=included,
    )


def crate_facts(manifest: ProductionManifest) -> CrateFacts:
    """The manifest's part that the crate tells."""
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
