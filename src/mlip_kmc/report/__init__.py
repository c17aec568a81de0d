"""A run as one HTML page, and as JSON, from its directory alone.

Example:
    with RunView.read(Path("my-run")) as view:
        report = collect(view, etc=Path(sys.prefix) / "etc", software={"mlip-kmc": "0.1.0"})
        html, text = render(report), report.as_json()

`collect` is in `summary`, `render` in `page`: `status`, which scripts ask often, imports neither.
`numbers`, `confidence`, `diffusion` are pure; `charts`, `figures`, `pictures` draw; `page` puts it together.
"""
