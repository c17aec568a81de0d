"""The starter configuration: it is valid, complete, and its comments tell the truth."""

import json
import re

import pytest
import yaml
from click.testing import CliRunner

from mlip_kmc.cli.main import COMMANDS, cli
from mlip_kmc.cli.starter import CONFIG, SCHEMA, starter_text, write_starter
from mlip_kmc.config import Config, json_schema, load_config
from mlip_kmc.config.explain import _sections_in
from mlip_kmc.ground.errors import ConfigError

TEXT = starter_text(structure="vacancy.xyz", potential="cu.yace")


def test_without_a_structure_the_example_is_copied_and_the_configuration_is_valid(tmp_path):
    written = write_starter(tmp_path / "new", structure=None, potential=None)
    assert {path.name for path in written} >= {
        CONFIG,
        SCHEMA,
        "vacancy.xyz",
        "cu.yace",
        "cu.yaml",
        "cu.asi",
    }
    config = load_config(tmp_path / "new" / CONFIG)
    assert config.structure.file == tmp_path / "new" / "vacancy.xyz"


def test_your_own_files_are_named_not_copied(tmp_path):
    (tmp_path / "my slab: #1.xyz").write_text("x")
    (tmp_path / "a.yace").write_text("x")
    write_starter(
        tmp_path / "new", structure=tmp_path / "my slab: #1.xyz", potential=tmp_path / "a.yace"
    )
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [SCHEMA, CONFIG]
    config = load_config(tmp_path / "new" / CONFIG)
    assert config.structure.file == tmp_path / "my slab: #1.xyz"
    assert config.potential.ace == tmp_path / "a.yace"


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / CONFIG).write_text("mine")
    with pytest.raises(ConfigError, match=r"has akmc\.yaml already; nothing was written"):
        write_starter(tmp_path, structure=None, potential=None)
    assert [path.name for path in tmp_path.iterdir()] == [CONFIG]
    assert (tmp_path / CONFIG).read_text() == "mine"


def uncommented(text):
    """Every key that the text mentions, commented out or not, with the value shown for it."""
    return re.findall(r"^(?:# ?)?( *)(?:# )?([A-Za-z_]+): *([^#\n]*)", text, re.MULTILINE)


def test_every_key_is_in_it():
    mentioned = {key for _, key, _ in uncommented(TEXT)}
    for name, field in Config.model_fields.items():
        assert name in mentioned
        for section in _sections_in(field.annotation):
            missing = (
                set(section.model_fields) - mentioned - ({"eon"} if name == "potential" else set())
            )
            assert not missing, f"{name}: {missing}"


def test_the_defaults_in_comments_are_the_defaults():
    defaults = {"evaluator": "product", "allow_small_cell": False, "minimum_distance_A": 1.0}
    for section in ("search", "confidence", "stop"):
        defaults.update(Config.model_fields[section].default.model_dump())
    defaults.update(
        {
            name: Config.model_fields[name].default
            for name in ("workers", "seed", "superbasins", "recycling")
        }
    )
    defaults["constant_per_s"] = Config.model_fields["prefactor"].default.constant_per_s
    shown = {
        key: yaml.safe_load(value)
        for key, value in re.findall(r"^ *# +([A-Za-z_]+): *([^#\n\s]+)", TEXT, re.MULTILINE)
    }
    bracketed = re.findall(r"^ *([A-Za-z_]+):.*\[([^]\n]+)\]$", TEXT, re.MULTILINE)
    shown.update({key: yaml.safe_load(value) for key, value in bracketed})
    checked = {key for key in shown if key in defaults and defaults[key] is not None}
    assert {key: shown[key] for key in checked} == {key: defaults[key] for key in checked}
    assert len(checked) > 12


def test_the_schema_takes_the_starter_and_refuses_what_the_model_refuses():
    found = json_schema()
    assert set(found["properties"]) == set(Config.model_fields)
    assert found["additionalProperties"] is False
    assert sorted(found["required"]) == ["potential", "structure", "temperature_K"]
    assert "Optimizer" in found["properties"]["eon"]["properties"]
    assert "Communicator" not in found["properties"]["eon"]["properties"]
    assert found["$defs"]["SearchSection"]["properties"]["max_energy_eV"]["description"].startswith(
        "A search that climbs"
    )


def test_the_command_prints_the_schema():
    done = CliRunner().invoke(cli, ["schema"])
    assert json.loads(done.output) == json_schema()


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_help_has_an_example(command):
    pages = [CliRunner().invoke(cli, [command, "--help"])]
    group = cli.get_command(None, command)
    pages += [
        CliRunner().invoke(cli, [command, name, "--help"])
        for name in getattr(group, "commands", {})
    ]
    for page in pages:
        assert page.exit_code == 0
        assert "Example:" in page.output
        assert "--debug" in page.output or hasattr(group, "commands")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    done = CliRunner().invoke(cli, ["completion", shell])
    assert done.exit_code == 0
    assert "_MLIP_KMC_COMPLETE" in done.output


def test_completion_completes(monkeypatch):
    from click.shell_completion import BashComplete

    monkeypatch.setenv("COMP_WORDS", "mlip-kmc st")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert BashComplete(cli, {}, "mlip-kmc", "_MLIP_KMC_COMPLETE").complete() == "plain,status"
