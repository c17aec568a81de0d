"""States that are like another one: which they are, and the part of the page that they share."""

from dataclasses import replace

from mlip_kmc.cli.report import collected
from mlip_kmc.report.classes import like_of
from mlip_kmc.report.landscape import bundled, tree
from mlip_kmc.report.states import grouped, together
from mlip_kmc.store.view import RunView

from ..synthetic import State, commit, event, search
from .test_report import check, numbers_of, page_of


def known(state, like, index=0):
    return replace(search(index, state=state, outcome="known", kind="class"), like=like)


def test_a_state_is_like_the_first_of_its_class():
    assert like_of([known(3, 0), known(5, 3), search(0, state=0, outcome="new")]) == {3: 0, 5: 0}


def test_an_audit_that_ended_elsewhere_and_a_new_process_end_it():
    audited = search(1, state=3, outcome="bad", kind="audit")
    found = search(1, state=4, outcome="new")
    passed = search(1, state=5, outcome="repeat", kind="audit")
    records = [known(3, 0), known(4, 0), known(5, 0), audited, found, passed]
    assert like_of(records) == {5: 0}


def run_of_three(tmp_path):
    """A vacancy's walk through states 0, 1, 2, of which the last two are like the first."""
    states = [State(processes=[(10 * k, 0.8, (k + 1) % 3, 1)]) for k in range(3)]
    steps = [
        event(
            step,
            time_s=1e-6 * (step + 1),
            before_s=1e-6 * step,
            reactant=step % 3,
            product=(step + 1) % 3,
            process=10 * (step % 3),
            images={"3": (1, 0, 0)},
        )
        for step in range(6)
    ]
    searches = [search(0, state=0, outcome="new", process=0), known(1, 0), known(2, 0)]
    return commit(tmp_path / "run", states=states, events=steps, searches=searches)


def test_they_share_a_part_of_the_page(tmp_path):
    run = run_of_three(tmp_path)
    with RunView.read(run) as view:
        found = collected(view)
        assert grouped(found) == [(0, (1, 2))]
        one, *others = found.numbers.states
        whole = together(one, others)
        assert (whole.visits, whole.processes[0].used) == (7, 6)
        assert abs(whole.residence_s - 6e-6) < 1e-12
    text = page_of(run, tmp_path)
    check(text)
    assert "State 0 and 2 like it" in text
    assert text.count("<summary><b>State ") == 1
    assert 'id="landscape"' not in text  # all equal: it would say nothing
    assert "All these states have the same energy" in text


def test_the_numbers_say_it_and_have_the_kinds(tmp_path):
    states = numbers_of(run_of_three(tmp_path))["states"]
    assert [state["like"] for state in states] == [None, 0, 0]
    (kind,) = states[0]["kinds"]
    assert (kind["barrier_eV"], kind["symmetric"], kind["ranks"], kind["used"]) == (
        0.8,
        False,
        [1],
        2,
    )


def test_equal_states_at_one_energy_are_one_leaf():
    energies = {0: 0.0, 1: 0.0, 2: 0.3, 3: 0.0}
    (root,) = tree(energies, [(0, 1, 0.8), (1, 2, 0.8), (2, 3, 1.2)])
    found = bundled(root)
    assert [(leaf.state, leaf.equal) for leaf in found.leaves] == [(0, (1,)), (2, ()), (3, ())]
