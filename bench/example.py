"""The example's settings, as the benches compare with: eOn's client, and every process of every state searched for."""

from pathlib import Path
from typing import Any

import yaml

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "cu-vacancy"


def by_eon_alone() -> dict[str, Any]:
    """Settings by key, paths whole."""
    settings: dict[str, Any] = yaml.safe_load((EXAMPLE / "akmc.yaml").read_text(encoding="utf-8"))
    settings["search"]["engine"] = "eon"
    del settings["symmetry"]
    settings["structure"] = str(EXAMPLE / "vacancy.xyz")
    settings["potential"] = {"ace": str(EXAMPLE / "cu.yace")}
    return settings
