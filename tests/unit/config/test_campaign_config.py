"""A campaign's configuration: its defaults, and what is refused in words."""

import pytest

from mlip_kmc.config import load_campaign
from mlip_kmc.ground.errors import ConfigError

TWO_ORACLES = """
oracle: {ase: 'a:B', settings: {xc: PBE}}
training: {data: train.xyz, test: train.xyz, oracle_settings: {xc: LDA}}
"""


@pytest.fixture
def written(tmp_path):
    (tmp_path / "akmc.yaml").write_text("x: 1\n")
    (tmp_path / "train.xyz").write_text("1\n")

    def write(text):
        path = tmp_path / "campaign.yaml"
        path.write_text(f"explore: akmc.yaml\n{text}\n")
        return path

    return write


def test_paths_start_at_its_folder(written, tmp_path):
    found = load_campaign(written("oracle: {command: [my-dft, '{input}', '{output}']}"))
    assert found.explore == tmp_path / "akmc.yaml"
    assert found.oracle.command == ("my-dft", "{input}", "{output}")
    assert found.release is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("oracle: {}", "exactly one of the keys"),
        ("oracle: {ase: 'a:B', command: [x]}", "exactly one of the keys"),
        ("oracle: {ase: 'a:B', time_limit_min: .nan}", "must be a finite number"),
        ("oracle: {ase: 'a:B'}\nlabels: {sbatch: ['--time=1; rm']}", "sbatch"),
        (
            TWO_ORACLES,
            "energies of two oracles are never mixed",
        ),
        ("oracle: {ase: 'a:B'}\nbudgets: {}", "did you mean 'budget'"),
    ],
)
def test_says_what_is_wrong(written, text, said):
    with pytest.raises(ConfigError) as error:
        load_campaign(written(text))
    assert said in str(error.value)
