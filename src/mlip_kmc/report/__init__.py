"""A run as one HTML page, and as JSON, from its directory alone.

Example:
    with RunView.read(Path("my-run")) as view:
        report = collect(view, etc=Path(sys.prefix) / "etc", software={"mlip-kmc": "0.1.0"})
        html, text = render(report), report.as_json()

`numbers`, `confidence`, `diffusion` are pure; `charts`, `figures`, `pictures` draw; `page` puts it together.
"""

from mlip_kmc.report.page import GateRow, render
from mlip_kmc.report.summary import Report, collect
from mlip_kmc.report.viewer import library

__all__ = ["GateRow", "Report", "collect", "library", "render"]
