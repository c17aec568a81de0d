# errors.py
import json
from pathlib import Path

for path in sorted(Path("repaired/campaign.campaign").glob("gen-*/generation.json")):
    errors = json.loads(path.read_text()).get("test_errors_before", {})
    later = json.loads(path.read_text()).get("test_errors", {})
    for when, found in (("before", errors), ("after", later)):
        if found:
            print(path.parent.name, when, f"{1e3 * found['force_rmse_eV_per_A']:.1f} meV/A")
