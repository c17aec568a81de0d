"""How the barriers that trial searches found lie beside kT: out of the thermal window, or so low that the run goes to and fro."""

from mlip_kmc.check.estimates import Barriers
from mlip_kmc.check.findings import Finding, Level, Value
from mlip_kmc.ground.wording import counted

FAST_KT = 10.0
"""exp(10) = 22000: at 1e13 per s a hop every 2 ns, far below what one calls rare."""
FLICKER_KT = 5.0
"""exp(5) = 150 hops to and fro for each other event."""


def window(found: Barriers, window_kT: float, *, found_count: int, beyond: int) -> Finding:
    """Whether the lowest barrier pushes others out of the thermal window, which counts from it.

    Args:
        found: how the barriers of the process table lie.
        window_kT: search.thermal_window_kT.
        found_count: processes in the table.
        beyond: searches whose barrier was too high for the table.
    """
    hidden, count = found.hidden + beyond, found_count + beyond
    values: dict[str, Value] = {
        "window_kT": window_kT,
        "lowest_kT": found.lowest_kT,
        "hidden": hidden,
        "found": count,
    }
    if hidden:
        return Finding(
            "window",
            Level.WARN,
            f"out of the rate table: {hidden} of {counted(count, 'barrier')}, more than "
            f"{window_kT:g} kT above the lowest",
            values=values,
            advice="raise search.thermal_window_kT if they matter (a low barrier to and fro hides the others)",
        )
    all_found = "the one process found lies" if count == 1 else f"all {count} processes found lie"
    return Finding(
        "window", Level.OK, f"{all_found} within {window_kT:g} kT of the lowest", values=values
    )


def flicker(found: Barriers, *, superbasins: bool, window_kT: float) -> Finding:
    """Whether the run would spend its steps going to and fro over one low barrier.

    Args:
        found: how the barriers lie.
        superbasins: whether they are on.
        window_kT: search.thermal_window_kT. It counts from a state's lowest barrier, so beside a fast exchange it ends early.
    """
    reasons = []
    if not found.lowest_kT >= FAST_KT:
        reasons.append(f"the lowest barrier is only {found.lowest_kT:.1f} kT")
    if found.gap_kT is not None and not found.gap_kT <= FLICKER_KT:
        reasons.append(
            f"{'it lies' if reasons else 'the lowest barrier lies'} {found.gap_kT:.1f} kT below the next"
        )
    if not found.lowest_back_kT >= min(FAST_KT, found.lowest_kT - FLICKER_KT):
        reasons.append(f"a product goes back over {found.lowest_back_kT:.1f} kT")
    values: dict[str, Value] = {
        "lowest_kT": found.lowest_kT,
        "gap_kT": found.gap_kT,
        "lowest_back_kT": found.lowest_back_kT,
        "superbasins": superbasins,
    }
    if not reasons:
        return Finding(
            "flicker",
            Level.OK,
            values=values,
            text=f"none seen: lowest barrier found {found.lowest_kT:.1f} kT, back {found.lowest_back_kT:.1f} kT",
        )
    reach_kT = min(found.lowest_kT, found.lowest_back_kT) + window_kT
    values["ways_out_up_to_kT"] = reach_kT
    text = f"{' and '.join(reasons)}: most steps would go to and fro"
    wider = (
        f"ways out of a superbasin are searched for up to {reach_kT:.0f} kT: raise search.thermal_window_kT if they lie "
        "higher"
    )
    if superbasins:
        return Finding("flicker", Level.OK, f"{text}; superbasins are on; {wider}", values=values)
    return Finding(
        "flicker", Level.WARN, text, advice=f"set superbasins: true; {wider}", values=values
    )
