"""Fitting a potential again, and judging it: the real one of `parts.Fitter`.

fitter = AceFitter(config, first=present, select=3.0, start=structure)
judged = fitter.fit(present, labels=labels, halted=frames, folder=folder, name="cu-gen-001", larger=0)
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from ase import Atoms

from mlip_kmc.campaign.acceptance import Verdict, judge
from mlip_kmc.campaign.generation import read_facts, write_facts
from mlip_kmc.campaign.parts import Judged
from mlip_kmc.campaign.remedies import RemedyKind, remedies
from mlip_kmc.config import CampaignConfig
from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.ground.wording import six_digits
from mlip_kmc.learning.errors import Errors, errors_on
from mlip_kmc.learning.refit import FitReport, read_fit, refit
from mlip_kmc.learning.refit.larger import has_more
from mlip_kmc.learning.refit.report import SUFFIX
from mlip_kmc.model.labelled import LabelledStructure, Role, labelled_text, read_labelled
from mlip_kmc.model.structure import extended_xyz
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.basis import BBasis

_INPUTS = "inputs.json"
"""Beside a fit: what it was made of."""


class AceFitter:
    """Fits by the configuration's back end."""

    def __init__(
        self, config: CampaignConfig, *, first: AcePotential, select: float, start: Atoms
    ) -> None:
        """Take note of what to do.

        Args:
            config: the campaign's.
            first: the potential of generation 0, whose errors later ones are measured against.
            select: the run's threshold of gamma.
            start: the structure that the run begins with.
        """
        self._config, self._first, self._select, self._start = config, first, select, start

    def training(self) -> tuple[LabelledStructure, ...]:
        """The set of generation 0; empty where it is not known.

        Raises:
            StructureError: it cannot be read.
        """
        return self._training

    @cached_property
    def _training(self) -> tuple[LabelledStructure, ...]:
        return self._set("data")

    @cached_property
    def _test(self) -> tuple[LabelledStructure, ...]:
        return self._set("test")

    @cached_property
    def _first_errors(self) -> Errors | None:
        return errors_on(self._first, self._test) if self._test else None

    def _set(self, key: str) -> tuple[LabelledStructure, ...]:
        section = self._config.training
        if section is None:
            return ()
        return read_labelled(
            getattr(section, key),
            energy_key=section.energy_key,
            forces_key=section.forces_key,
            role=Role.TRAINING,
        )

    def fit(
        self,
        present: AcePotential,
        *,
        labels: Sequence[LabelledStructure],
        halted: Sequence[Atoms],
        barriers: Sequence[LabelledStructure] = (),
        folder: Path,
        name: str,
        larger: int,
    ) -> Judged:
        """Fit, and judge; what a kill left whole is not fitted again, if it is of the same inputs.

        Raises:
            PotentialError, StructureError, ProgramError, StorageError: as of `refit` and `judge`.
        """
        ladder = self._ladder(present)
        self._forget_another(present, labels, folder, name=name, larger=larger)
        report = read_fit(folder, name, present=present) or refit(
            present,
            training=self.training(),
            labels=labels,
            section=self._config.refit,
            directory=folder,
            name=name,
            basis=Path(ladder[larger - 1]) if larger else None,
            anchors_from=self._anchors_from(labels),
        )
        verdict = judge(
            report.potential,
            present,
            test=self._test,
            halted=halted,
            first_errors=self._first_errors,
            section=self._config.accept,
            select=self._select,
            barriers=barriers,
            confirm=self._config.confirm,
        )
        open_ways = remedies(verdict, larger_bases=ladder, tried=ladder[:larger], labels_left=1)
        kinds = {way.kind for way in open_ways}
        return Judged(
            yace=report.potential.yace,
            accepted=verdict.accepted,
            reasons=tuple(reason.line for reason in verdict.reasons),
            more_labels=RemedyKind.MORE_LABELS in kinds,
            larger_basis=RemedyKind.LARGER_BASIS in kinds,
            facts=_facts(report, verdict),
        )

    def _anchors_from(self, labels: Sequence[LabelledStructure]) -> list[Atoms]:
        """What the run itself is made of, beside the labels; a large structure is in the buffers of its boxes already."""
        if self.training() or len(self._start) > self._config.cutout.whole_up_to_atoms:
            return []
        return [self._start, *(one.atoms for one in labels)]

    def _forget_another(
        self,
        present: AcePotential,
        labels: Sequence[LabelledStructure],
        folder: Path,
        *,
        name: str,
        larger: int,
    ) -> None:
        """A fit that is there stays only if it is of the same labels, potential and settings."""
        training = self._config.training
        told = {
            "labels": hashlib.sha256(labelled_text(labels).encode()).hexdigest(),
            "potential": present.digest,
            "training": training and hashlib.sha256(training.data.read_bytes()).hexdigest(),
            "refit": self._config.refit.model_dump(mode="json"),
            "larger": larger,
            "anchors_from": [
                hashlib.sha256(extended_xyz(atoms).encode()).hexdigest()
                for atoms in self._anchors_from(())
            ],
        }
        told = json.loads(json.dumps(told))
        path = folder / _INPUTS
        try:
            same = path.is_file() and read_facts(path) == told
        except RunStateError:
            same = False
        if not same:
            (folder / f"{name}{SUFFIX}").unlink(missing_ok=True)
            write_facts(path, told)

    def _ladder(self, present: AcePotential) -> tuple[str, ...]:
        """The larger bases that are left: a generation may have taken one of them already.

        Raises:
            PotentialError: one cannot be read.
        """
        return tuple(
            str(path)
            for path in self._config.refit.larger_bases
            if has_more(BBasis.read(path), present=present)
        )


def _facts(report: FitReport, verdict: Verdict) -> dict[str, Any]:
    return {
        "fit": report.facts.model_dump(mode="json"),
        "structures": dict(report.facts.structures),
        "test_errors_before": _errors(verdict.errors_before),
        "test_errors": _errors(verdict.errors_after),
        "largest_gamma_before": six_digits(verdict.gamma_before),
        "largest_gamma": six_digits(verdict.gamma_after),
        "checks": {check.name: str(check.verdict) for check in verdict.checks},
        "refusals": [str(reason.refusal) for reason in verdict.reasons],
    }


def _errors(errors: Errors | None) -> dict[str, Any] | None:
    if errors is None:
        return None
    return {
        key: value if isinstance(value, int) else six_digits(value)
        for key, value in asdict(errors).items()
    }
