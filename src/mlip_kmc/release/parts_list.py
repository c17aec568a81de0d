"""The parts of the image as one CycloneDX file: what a release was computed with, for whoever keeps such lists.

Example:
    parts_list(ImageParts.here(), image=manifest.image, at=manifest.creation_date)

Minimal: names, versions, package addresses, the image's digest. No serial number, which would be random.
"""

import json
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from typing import Any, Self

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from mlip_kmc import __version__
from mlip_kmc.ground.image import ImageNotes
from mlip_kmc.release.manifest import Image

_TOLD = ("ase", "numpy", "python-ace", "scipy")
"""Packages whose versions the manifest tells; the list of parts has all."""


@dataclass(frozen=True)
class ImageParts:
    """What the image holds.

    Attributes:
        programs: eOn and LAMMPS; empty outside an image.
        packages: Python packages, by name.
        recipe: of the image; None outside of one.
    """

    programs: Mapping[str, str]
    packages: Mapping[str, str]
    recipe: str | None

    @classmethod
    def here(cls) -> Self:
        """Those of the image that this runs in; packages that lie elsewhere are left out."""
        notes = ImageNotes.read()
        found = metadata.distributions(path=[sysconfig.get_paths()["purelib"]])
        packages = {
            entry.metadata["Name"]: entry.version for entry in found if entry.metadata["Name"]
        }
        return cls(
            programs={
                name: version for name, version in notes.programs.items() if name not in packages
            },
            packages={name: packages[name] for name in sorted(packages, key=str.lower)},
            recipe=notes.recipe,
        )

    def told(self) -> dict[str, str]:
        """What the manifest says of them."""
        packages = {name: self.packages[name] for name in _TOLD if name in self.packages}
        return {
            "mlip-kmc": __version__,
            **self.programs,
            **packages,
            "Python": sys.version.split()[0],
        }


def parts_list(parts: ImageParts, *, image: Image, at: datetime) -> bytes:
    """A CycloneDX 1.6 document.

    Args:
        parts: of the image.
        image: its digests.
        at: the document's time.
    """
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=image.sha256)] if image.sha256 else []
    whole = Component(
        name="mlip-kmc image",
        type=ComponentType.CONTAINER,
        version=__version__,
        bom_ref="image",
        hashes=hashes,
    )
    components = [
        Component(
            name=name, version=version, type=ComponentType.APPLICATION, bom_ref=f"program:{name}"
        )
        for name, version in parts.programs.items()
    ]
    packages = {"mlip-kmc": __version__, **parts.packages}
    for name, version in packages.items():
        address = PackageURL(type="pypi", name=name.lower().replace("_", "-"), version=version)
        components.append(
            Component(
                name=name,
                version=version,
                type=ComponentType.LIBRARY,
                purl=address,
                bom_ref=f"package:{name}",
            )
        )
    bom = Bom(components=components, metadata=BomMetaData(timestamp=at, component=whole))
    bom.register_dependency(whole, components)
    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    document.pop("serialNumber", None)  # optional in CycloneDX, and random
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()
