"""A `.yace` of two elements, as small as LAMMPS takes one, written as three programs would write it."""

import json

import yaml

ELEMENTS = ("Cu", "N")
CUTOFFS_A = {(0, 0): 4.5, (0, 1): 6.25, (1, 0): 6.25, (1, 1): 4.0}


def alloy(elements=ELEMENTS, *, cutoffs_A=None, **changes):
    """The potential as mappings and lists, keys of bonds as tuples."""
    count = len(elements)
    cutoffs_A = cutoffs_A or {
        (i, j): CUTOFFS_A.get((i, j), 4.0) for i in range(count) for j in range(count)
    }
    return {
        "elements": list(elements),
        "E0": [0.0] * count,
        "deltaSplineBins": 0.001,
        "embeddings": {
            index: {
                "ndensity": 1,
                "FS_parameters": [1.0, 1.0],
                "npoti": "FinnisSinclair",
                "rho_core_cutoff": 200000.0,
                "drho_core_cutoff": 250.0,
            }
            for index in range(count)
        },
        "bonds": {
            pair: {
                "nradmax": 1,
                "lmax": 0,
                "nradbasemax": 1,
                "radbasename": "ChebExpCos",
                "radparameters": [3.0],
                "radcoefficients": [[[1.0]]],
                "prehc": 0.0,
                "lambdahc": 1.0,
                "rcut": cutoff_A,
                "dcut": 0.01,
                "rcut_in": 0.0,
                "dcut_in": 0.0,
                "inner_cutoff_type": "distance",
            }
            for pair, cutoff_A in cutoffs_A.items()
        },
        "functions": {
            index: [
                {
                    "mu0": index,
                    "rank": 1,
                    "ndensity": 1,
                    "num_ms_combs": 1,
                    "mus": [index],
                    "ns": [1],
                    "ls": [0],
                    "ms_combs": [0],
                    "ctildes": [-0.5],
                }
            ]
            for index in range(count)
        },
    } | changes


def flow_text(potential=None):
    """As python-ace writes it: an entry a line."""
    lines = []
    for key, value in (potential or alloy()).items():
        if key in ("embeddings", "bonds"):
            lines += [
                f"{key}:",
                *(f"  {_flow(index)}: {_flow(entry)}" for index, entry in value.items()),
            ]
        elif key == "functions":
            lines.append("functions:")
            for index, functions in value.items():
                lines += [f"  {index}:", *(f"    - {_flow(entry)}" for entry in functions)]
        else:
            lines.append(f"{key}: {_flow(value)}")
    return "\n".join([*lines, ""])


def block_text(potential=None):
    """As PyYAML writes it: every list in a block, keys of bonds, too."""
    return yaml.dump(
        _plain(potential or alloy()), Dumper=_Dumper, default_flow_style=False, sort_keys=False
    )


def json_text(potential=None):
    """In braces and quotes, which is YAML, too; keys of bonds are lists."""
    text = json.dumps(
        {
            key: {
                str(list(inner) if isinstance(inner, tuple) else inner): entry
                for inner, entry in value.items()
            }
            if isinstance(value, dict)
            else value
            for key, value in (potential or alloy()).items()
        },
        indent=3,
    )
    for pair in CUTOFFS_A:
        text = text.replace(f'"{list(pair)}"', f"? {list(pair)} ")
    return text


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


_Dumper.add_representer(
    tuple, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", list(value))
)


def _plain(potential):
    return {
        key: dict(value) if isinstance(value, dict) else value for key, value in potential.items()
    }


def _flow(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(entry)}" for key, entry in value.items()) + "}"
    return (
        "[" + ", ".join(map(_flow, value)) + "]" if isinstance(value, list | tuple) else str(value)
    )
