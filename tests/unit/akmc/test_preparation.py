"""What a run begins with, where it cannot be brought to rest: the structure's fault, or the potential's."""

from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk

from mlip_kmc.akmc import preparation
from mlip_kmc.akmc.preparation import Preparation
from mlip_kmc.config import GammaSection
from mlip_kmc.ground.errors import EXIT_HALTED, StructureError, UnknownStartError
from mlip_kmc.model.frames import Kind, read_kept_frames
from mlip_kmc.potential import AcePotential

from ..campaign.invented import EXAMPLE, unknown


@pytest.fixture
def state_0(tmp_path, monkeypatch):
    """What becomes of a structure that explodes."""

    def explodes(*_, **__):
        raise StructureError("an atom moves 6 A")

    monkeypatch.setattr(preparation, "prepare_start", explodes)
    potential = AcePotential.read(EXAMPLE / "cu.yace")
    structure = SimpleNamespace(allow_unknown_stability=False)
    config = SimpleNamespace(structure=structure, gamma=GammaSection())

    def made(atoms):
        prepared = SimpleNamespace(atoms=atoms)
        return Preparation(config, potential, prepared, {}).state_0(tmp_path)

    return made


def test_where_the_potential_knows_the_structure_it_is_the_structure_s_fault(state_0, tmp_path):
    with pytest.raises(StructureError, match=r"^an atom moves 6 A$"):
        state_0(bulk("Cu", "fcc", a=3.59, cubic=True))
    assert not (tmp_path / "halts").exists()


def test_where_it_does_not_a_frame_is_kept_and_the_run_halts(state_0, tmp_path):
    atoms = unknown(4)
    with pytest.raises(
        UnknownStartError, match=r"^gamma \S+ in the given.*an atom moves 6"
    ) as error:
        state_0(atoms)
    assert error.value.exit_code == EXIT_HALTED
    (frame,), _ = read_kept_frames(tmp_path / "halts")
    assert (frame.search, frame.step, frame.kind) == (f"start_{frame.potential[:8]}", 0, Kind.HALT)
    assert np.allclose(frame.atoms.positions, atoms.positions)
