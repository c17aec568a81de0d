"""Signed releases of potentials: checked, reproducible, and verifiable with standard tools.

Example:
    from mlip_kmc.release.package import ProductionDeployer
    from mlip_kmc.release.settings import load_settings
    from mlip_kmc.release.signature import sign
    from mlip_kmc.release.verification import Policy, verify

    deployer = ProductionDeployer(load_settings(Path("release.yaml")))
    package = deployer.build(Path("my-run"), into=Path("."))   # release_v1.0.zip
    sign(package, key=Path("~/.ssh/id_ed25519"))               # release_v1.0.zip.sig
    verified = verify(package, policy=Policy(signers=Path("allowed_signers")))
"""
