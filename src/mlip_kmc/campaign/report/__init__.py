"""A campaign as one HTML page, and as JSON, from its directory alone.

    report = read_campaign(Path("my-campaign"))
    render(report), report.as_json()

`account` reads the files, `figures` draws, `page` puts it together.
"""

from mlip_kmc.campaign.generation import is_campaign
from mlip_kmc.campaign.report.account import CampaignReport, read_campaign
from mlip_kmc.campaign.report.page import render

__all__ = ["CampaignReport", "is_campaign", "read_campaign", "render"]
