"""The starter configuration: it is valid, complete, and its comments tell the truth."""

import json
import re

import pytest
import yaml
from click.testing import CliRunner

from mlip_kmc.cli.main import COMMANDS, cli
from mlip_kmc.cli.starter import (
    CAMPAIGN,
    CAMPAIGN_SCHEMA,
    CONFIG,
    SCHEMA,
    OwnFiles,
    campaign_text,
    starter_text,
    write_campaign_starter,
    write_starter,
)
from mlip_kmc.config import (
    CampaignConfig,
    Config,
    campaign_schema,
    json_schema,
    load_campaign,
    load_config,
)
from mlip_kmc.config.campaign import AseOracle, CommandOracle, TrainingSection
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


# -- a campaign's

CAMPAIGN_TEXT = campaign_text(sets=("train.xyz", "test.xyz"))
SECTIONS = {"training": (TrainingSection,), "oracle": (AseOracle, CommandOracle)}


def test_without_files_the_example_campaign_is_copied_and_is_valid(tmp_path):
    written = write_campaign_starter(tmp_path / "new", own=None)
    names = {path.name for path in written}
    assert names == {
        *(CONFIG, SCHEMA, CAMPAIGN, CAMPAIGN_SCHEMA, "vacancy.xyz", "train.xyz", "test.xyz"),
        *(f"bulk.{suffix}" for suffix in ("yace", "yaml", "asi", "record.json")),
    }
    campaign = load_campaign(tmp_path / "new" / CAMPAIGN)
    run = load_config(campaign.explore)
    assert run.potential.ace == tmp_path / "new" / "bulk.yace"
    assert run.stop.kmc_steps is not None
    assert campaign.training.data == tmp_path / "new" / "train.xyz"
    assert campaign.oracle.zero_eV == {"Cu": 3.51}


def test_your_own_campaign_names_your_files(tmp_path):
    for name in ("my slab.xyz", "a.yace", "set: 1.xyz", "held out.xyz"):
        (tmp_path / name).write_text("x")
    own = OwnFiles(*(tmp_path / name for name in ("my slab.xyz", "a.yace")))
    write_campaign_starter(tmp_path / "new", own=own)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(
        (CONFIG, SCHEMA, CAMPAIGN, CAMPAIGN_SCHEMA)
    )
    campaign = load_campaign(tmp_path / "new" / CAMPAIGN)
    assert campaign.training is None
    assert campaign.oracle.zero_eV == {}
    assert load_config(campaign.explore).structure.file == tmp_path / "my slab.xyz"
    sets = OwnFiles(
        own.structure, own.potential, tmp_path / "set: 1.xyz", tmp_path / "held out.xyz"
    )
    write_campaign_starter(tmp_path / "known", own=sets)
    training = load_campaign(tmp_path / "known" / CAMPAIGN).training
    assert (training.data, training.test) == (sets.training, sets.test)


def test_of_a_campaign_nothing_is_overwritten(tmp_path):
    (tmp_path / CONFIG).write_text("mine")
    with pytest.raises(ConfigError, match=r"has akmc\.yaml already; nothing was written"):
        write_campaign_starter(tmp_path, own=None)
    assert [path.name for path in tmp_path.iterdir()] == [CONFIG]


def test_every_key_of_a_campaign_is_in_it():
    mentioned = {key for _, key, _ in uncommented(CAMPAIGN_TEXT)}
    for name, field in CampaignConfig.model_fields.items():
        assert name in mentioned
        for section in SECTIONS.get(name, _sections_in(field.annotation)):
            assert set(section.model_fields) <= mentioned, name


def test_the_defaults_in_comments_of_a_campaign_are_the_defaults():
    defaults = dict(CampaignConfig.model_fields.items())
    for name, field in CampaignConfig.model_fields.items():
        for section in SECTIONS.get(name, _sections_in(field.annotation)):
            defaults |= section.model_fields
    shown = {
        key: yaml.safe_load(value)
        for key, value in re.findall(
            r"^(?:# +|  # )([A-Za-z_]+): *([^#\n]+?) *(?:#.*)?$", CAMPAIGN_TEXT, re.MULTILINE
        )
    }
    bracketed = re.findall(r"^ *([A-Za-z_]+):.*\[([^]\n]+)\]$", CAMPAIGN_TEXT, re.MULTILINE)
    shown |= {key: yaml.safe_load(value) for key, value in bracketed}
    for key in ("command", "release", "oracle"):  # not defaults, but what else there is
        del shown[key]
    wrong = {
        key: (value, defaults[key].default)
        for key, value in shown.items()
        if (list(d) if isinstance(d := defaults[key].default, tuple) else d) != value
    }
    assert wrong == {}
    assert len(shown) > 35


def test_all_comments_of_a_campaign_uncommented_are_valid(tmp_path):
    """As somebody would have it who takes the '# ' away, with what must be chosen chosen."""
    for name in ("akmc.yaml", "train.xyz", "test.xyz", "release.yaml", "label.py"):
        (tmp_path / name).write_text("x")
    _, rest = CAMPAIGN_TEXT.split("\n# The run that explores", 1)
    by_command = re.search(r"^# oracle:.*\n#   command:.*\n", rest, re.MULTILINE)
    rest = rest.replace(by_command.group(), "")
    lines = [
        re.sub(r"^( *)# ", r"\1", line)
        if re.match(r"^ *# +[A-Za-z_]+: *(#|[^ #]|$)", line) and ":" in line.split("#")[1]
        else line
        for line in rest.split("\n")[1:]
    ]
    (tmp_path / CAMPAIGN).write_text("\n".join(lines))
    found = load_campaign(tmp_path / CAMPAIGN)
    assert found.release == tmp_path / "release.yaml"
    assert found.budget.labels == 60
    command = "\n".join(line.removeprefix("# ") for line in by_command.group().splitlines())
    (tmp_path / CAMPAIGN).write_text(f"explore: akmc.yaml\n{command}\n")
    assert load_campaign(tmp_path / CAMPAIGN).oracle.command[1] == str(tmp_path / "label.py")


def test_the_schema_of_a_campaign():
    found = campaign_schema()
    assert set(found["properties"]) == set(CampaignConfig.model_fields)
    assert found["additionalProperties"] is False
    assert sorted(found["required"]) == ["explore", "oracle"]
    done = CliRunner().invoke(cli, ["schema", "--campaign"])
    assert json.loads(done.output) == found


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--campaign", "--structure", "a.xyz"], "give --structure and --potential, or neither"),
        (["--campaign", "--training-set", "a.xyz"], "give --training-set and --test-set"),
        (
            ["--training-set", "a.xyz", "--test-set", "b.xyz"],
            "goes with --campaign, --structure and --potential",
        ),
    ],
)
def test_options_of_a_campaign_that_do_not_fit(tmp_path, words, told):
    done = CliRunner().invoke(cli, ["init", str(tmp_path / "new"), *words])
    assert done.exit_code == 2
    assert told in done.output
    assert not (tmp_path / "new").exists()


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
