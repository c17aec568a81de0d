"""What `mlip-kmc status` prints of a campaign: how it stands, who works in it, what each generation came to, and its run.

console.print(campaign_shown(Path("my-campaign"), run=shown_run))
campaign_json(Path("my-campaign"))
"""

import json
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mlip_kmc.campaign.report import CampaignReport, read_campaign
from mlip_kmc.campaign.state import Step
from mlip_kmc.cli.campaign_table import table_of
from mlip_kmc.ground.wording import counted, duration
from mlip_kmc.report.status import read_status
from mlip_kmc.store.claim import Holder, working_in

if TYPE_CHECKING:
    from rich.console import RenderableType

FORMAT = 1


def campaign_shown(directory: Path, *, run: "Callable[[Path], RenderableType]") -> "RenderableType":
    """A campaign's rows, its generations, and its run where there is one.

    Args:
        directory: of the campaign.
        run: what is shown of its run's directory.

    Raises:
        RunStateError: a file of it is damaged.
    """
    from rich.console import Group
    from rich.table import Table

    found = read_campaign(directory)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, text in _rows(directory, found, working_in(directory, now_s=time.time())):
        table.add_row(name, text)
    parts: list[RenderableType] = [table]
    if found.generations:
        parts += ["", table_of(directory)]
    if found.explored is not None:
        parts += ["", run(directory / "run")]
    return Group(*parts)


def campaign_json(directory: Path) -> str:
    """The same as one JSON object: `campaign` as in its report, who is `working`, and the `run` as its status has it.

    Raises:
        RunStateError: a file of it is damaged.
    """
    found = read_campaign(directory)
    who = working_in(directory, now_s=time.time())
    told = {
        "format": FORMAT,
        "campaign": json.loads(found.as_json())["campaign"],
        "working": None if who is None else {"host": who.host, "pid": who.pid, "job": who.job},
        "run": None
        if found.explored is None
        else json.loads(read_status(directory / "run").to_json()),
    }
    return json.dumps(told, indent=2, allow_nan=False, ensure_ascii=False)


def _rows(directory: Path, found: CampaignReport, who: Holder | None) -> list[tuple[str, str]]:
    state = found.state
    at = f"generation {state.generation}, step {state.step}"
    rows = [("campaign", str(directory))]
    if who is not None:
        rows.append(("condition", f"running in {who}: {at}"))
    elif found.ended is not None:
        rows.append(("condition", f"{found.ended.line} (exit code {found.ended.exit_code})"))
    else:
        rows.append(("condition", f"stopped at {at}; `mlip-kmc campaign` continues it"))
    if found.no_run:
        rows.append(("run", found.no_run))
    asked = sum(one.labels for one in found.generations)
    used = sum(one.labelled for one in found.generations)
    coming = sum(one.progress not in {"done", "failed"} for one in found.labels)
    more = f"; {coming} to come" if coming else ""
    rows.append(("labels", f"{counted(asked, 'label')} asked for, {used} of use{more}"))
    rows.append(
        ("time", f"{duration(state.wall_s)} over all starts, up to the last step that ended")
    )
    if not found.converged and state.step is not Step.FINALIZE:
        rows.append(
            ("report", f"`mlip-kmc report {shlex.quote(str(directory))}` makes a page of it")
        )
    return rows
