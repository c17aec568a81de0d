"""A run's server, put together: eOn's states, the queue of searches, the ledger, at a generation or at state 0.

server = open_server(config, directory=directory, checkpoints=checkpoints, cluster=cluster, setup=setup, saved=None)
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlip_kmc.akmc.ahead import Ahead
from mlip_kmc.akmc.copied_states import CopiedStates
from mlip_kmc.akmc.eon_adapter import log_to
from mlip_kmc.akmc.eon_states import EonStates
from mlip_kmc.akmc.foresight import Foresight
from mlip_kmc.akmc.kept import FrameKeeper
from mlip_kmc.akmc.ledger import Ledger, numbers_from
from mlip_kmc.akmc.orbits import OrbitDesk
from mlip_kmc.akmc.pool import Pool
from mlip_kmc.akmc.prefactors import PrefactorDesk, PrefactorRecipe
from mlip_kmc.akmc.queue import JobTemplate, SearchQueue
from mlip_kmc.akmc.reuse import MARGIN_A
from mlip_kmc.akmc.server import LEAST_AHEAD, Server
from mlip_kmc.akmc.setup import Setup, changed
from mlip_kmc.akmc.spool import Spool
from mlip_kmc.akmc.twins import TwinDesk
from mlip_kmc.config import Config, HarmonicPrefactor
from mlip_kmc.ground.files import make_directory
from mlip_kmc.model.atom_path import AtomPath
from mlip_kmc.model.rates import is_free_cluster
from mlip_kmc.model.records import RunNumbers
from mlip_kmc.model.structure import atoms_apart, from_con
from mlip_kmc.search.displaced import HessianRecipe
from mlip_kmc.search.points import CheckRecipe
from mlip_kmc.search.settling import Settling
from mlip_kmc.store.checkpoints import Checkpoints
from mlip_kmc.store.retention import prune
from mlip_kmc.store.run_directory import RunDirectory
from mlip_kmc.workers.cluster import SearchCluster
from mlip_kmc.workers.task import TaskRunner


def open_server(
    config: Config,
    *,
    directory: RunDirectory,
    checkpoints: Checkpoints,
    cluster: SearchCluster,
    setup: Setup,
    saved: Mapping[str, Any] | None,
    searches: int | None = None,
) -> Server:
    """Start at a generation (`saved`), or at state 0.

    The live tree must be that generation's (`Checkpoints.restore`).

    Args:
        config: the run's.
        directory: where it lives.
        checkpoints: its generations.
        cluster: where clients run.
        setup: what it is made of.
        saved: the generation's state.
        searches: so many searches of the present state and no KMC step; None: a run.

    Raises:
        ProgramError: another eOn than this program was made for. ConfigError: eOn refuses its options.
        SearchesFailedError: no search can start. RunStateError: the generation is of a newer version.
    """
    log_to(directory.path / "eon.log")
    spool, evidence = make_directory(directory.path / "spool"), directory.path / "evidence"
    changes, checks = _changes(config, saved), _checks(config, setup, evidence)
    states = _states(config, setup, checkpoints.root, spool=spool, checks=checks, saved=saved)
    states.begin(at_new_temperature="temperature_K" in changes)
    if checkpoints.epochs and checkpoints.epochs[-1].identity != setup.identity:
        Spool(spool).drop_outcomes()  # of another engine
    runner: TaskRunner = cluster
    early = None
    if config.search.ahead:
        runner = foresight = Foresight(cluster)
        early = _ahead(config, setup, foresight, states, evidence=evidence, checks=checks)
    return Server(
        config,
        setup=setup,
        states=states,
        queue=_queue(
            config, setup, runner, spool=spool, saved=saved, evidence=evidence, checks=checks
        ),
        ledger=Ledger.read(
            checkpoints,
            numbers=_numbers(setup, saved),
            path=start_of(setup),
            remember=config.search.max_bad_in_a_row,
        ),
        workers=cluster,
        keeper=FrameKeeper(directory.path / "halts"),
        changes=changes,
        after_commit=partial(prune, evidence, limit_MB=config.retention.evidence_MB),
        searches=searches,
        early=early,
    )


def _ahead(
    config: Config,
    setup: Setup,
    foresight: Foresight,
    states: EonStates,
    *,
    evidence: Path,
    checks: CheckRecipe,
) -> Ahead:
    """What searches the next state while workers are spare."""
    copied = CopiedStates(states, symmetry=config.symmetry, checks=checks, seed=config.seed)
    return Ahead(
        foresight,
        beyond=copied.beyond,
        queue=lambda cluster: _queue(
            config, setup, cluster, spool=None, saved=None, evidence=evidence, checks=checks
        ),
        seed=config.seed,
        share=config.search.ahead_unused_share,
        most=config.most_ahead or LEAST_AHEAD,
    )


def _states(
    config: Config,
    setup: Setup,
    root: Path,
    *,
    spool: Path,
    checks: CheckRecipe,
    saved: Mapping[str, Any] | None,
) -> EonStates:
    """eOn's states in the live tree, with the shortcuts that are asked for."""
    return EonStates(
        root,
        pos_con=setup.pos_con,
        config_ini=setup.config_ini,
        seed=config.seed,
        spool=spool,
        symmetry=config.symmetry,
        checks=checks,
        search=config.search,
        reuse=config.reuse,
        radius_A=config.reuse.radius_A or (setup.cutoff_A or 0.0) + MARGIN_A,
        pool=_pool(config, setup),
        first_eV=setup.minimised.energy if saved is None else None,
    )


def _pool(config: Config, setup: Setup) -> Pool | None:
    """Where this run and others tell each other what they know; counts are of one temperature."""
    if config.symmetry.share is None:
        return None
    facts = {**setup.facts, "temperature_K": config.temperature_K}
    return Pool(config.symmetry.share, facts=facts, run=config.seed)


def _queue(
    config: Config,
    setup: Setup,
    cluster: TaskRunner,
    *,
    spool: Path | None,
    saved: Mapping[str, Any] | None,
    evidence: Path,
    checks: CheckRecipe,
) -> SearchQueue:
    """Searches, and what a new process waits for before it is registered."""
    template = _template(config, setup, evidence, checks)
    return SearchQueue(
        cluster=cluster,
        template=template,
        spool=spool,
        since=None if saved is None else saved.get("spool"),
        desk=_desk(config, setup, cluster, template),
        orbits=OrbitDesk(cluster, checks) if config.symmetry.orbits else None,
        twins=TwinDesk(cluster, config.search.converged_force_eV_per_A),
    )


def _numbers(setup: Setup, saved: Mapping[str, Any] | None) -> RunNumbers:
    """Those of the generation, or those before anything was done."""
    if saved is not None:
        return numbers_from(saved["numbers"])
    apart = len(atoms_apart(from_con(setup.pos_con)))
    return RunNumbers(apart=apart, apart_at_start=apart)


def _template(config: Config, setup: Setup, evidence: Path, checks: CheckRecipe) -> JobTemplate:
    """What all searches of the run have in common."""
    return JobTemplate(
        files=setup.job_files,
        links=setup.job_links,
        time_limit_s=config.search.time_limit_min * 60,
        evidence=evidence,
        checks=checks,
        watch=setup.watch,
        native=setup.native,
        settling=Settling(
            files=setup.hessian_files,
            converged_force_eV_per_A=config.search.converged_force_eV_per_A,
        ),
    )


def _checks(config: Config, setup: Setup, evidence: Path) -> CheckRecipe:
    """How what follows from symmetry is evaluated."""
    return CheckRecipe(
        files=setup.point_files,
        links=setup.job_links,
        time_limit_s=config.search.time_limit_min * 60,
        evidence=evidence,
        converged_force_eV_per_A=config.search.converged_force_eV_per_A,
        recipe=setup.recipe,
    )


def _changes(config: Config, saved: Mapping[str, Any] | None) -> dict[str, tuple[Any, Any]]:
    """Settings that differ from the last start; an older version knew fewer of them."""
    if saved is None:
        return {}
    earlier, limits = saved["limits"], config.limits()
    return changed(earlier, {key: limits[key] for key in limits if key in earlier})


def start_of(setup: Setup) -> AtomPath:
    """Every atom in state 0."""
    atoms = from_con(setup.pos_con)
    return AtomPath.start(
        np.asarray(atoms.cell.array),
        atoms.get_chemical_symbols(),
        anchored=bool(atoms.constraints),
        turns=is_free_cluster(atoms),
    )


def _desk(
    config: Config, setup: Setup, cluster: TaskRunner, template: JobTemplate
) -> PrefactorDesk | None:
    """What makes prefactors; None where they are constant."""
    prefactor = config.prefactor
    if not isinstance(prefactor, HarmonicPrefactor):
        return None
    recipe = PrefactorRecipe(
        hessians=HessianRecipe(
            files=setup.hessian_files,
            links=template.links,
            time_limit_s=template.time_limit_s,
            recipe=setup.recipe,
            by_index=setup.distinct_atoms,
        ),
        evidence=template.evidence,
        most_atoms=prefactor.most_atoms,
        fallback_per_s=prefactor.fallback_per_s,
    )
    return PrefactorDesk(cluster, recipe)
