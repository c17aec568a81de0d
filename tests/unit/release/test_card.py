"""The model card tells who releases, and how large errors might be and why."""

from mlip_kmc.release.card import card, gate_rows

from .packages import good_manifest


def test_the_card_has_the_organization_and_the_limits_with_their_reasons():
    page = card(good_manifest())
    assert "Jane Doe, Example University." in page
    assert page.count("<td>What c11 compares</td>") == 1
    assert "What validation compares" not in page, "it has a reason, and no reference"
    assert (
        "all: 5 meV/atom, 100 meV/Å (a tenth of kT); hop: 5 meV/atom, 20 meV/Å (a tenth of kT)."
        in page
    )


def test_the_gates_table_tells_limits_from_references():
    remarks = {row.name: row.remark for row in gate_rows(good_manifest().checks)}
    assert remarks["c11"] == "reference: a paper"
    assert remarks["validation"] == "limit: a tenth of kT"
