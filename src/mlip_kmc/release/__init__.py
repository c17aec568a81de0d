"""The signed release: what leaves the cluster, checked, reproducible, and verifiable with standard tools.

deployer = ProductionDeployer(load_settings(Path("release.yaml")))
package = deployer.build(Path("my-run"))           # release_v1.0.zip
sign(package, key=Path("~/.ssh/id_ed25519"))       # release_v1.0.zip.sig
verify(package, policy=Policy(signers=Path("allowed_signers")))
"""
