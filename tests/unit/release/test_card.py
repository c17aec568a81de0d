"""The model card tells who releases, and how large errors might be and why."""

from mlip_kmc.release.card import card

from .packages import good_manifest


def test_the_card_has_the_organization_and_the_limits_with_their_reasons():
    page = card(good_manifest())
    assert "Jane Doe, Example University." in page
    assert "all: 5 meV/atom, 100 meV/Å (a tenth of kT); hop: 5 meV/atom, 20 meV/Å (a tenth of kT)." in page
