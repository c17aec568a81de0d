# What a developer runs. ./bootstrap installs what these recipes need.
set shell := ["bash", "-euo", "pipefail", "-c"]

_list:
    @"{{ just_executable() }}" --list --unsorted

# build image.sif (seconds from the cache; without it, see docs/image.md)
image *OPTIONS:
    containers/build {{ OPTIONS }}

# run the worked example in the image, into akmc-run/; run again to continue it
demo: image
    containers/in-image mlip-kmc run examples/cu-vacancy/akmc.yaml --dir akmc-run

# draw docs/example.png, the README's picture, from the example's run: the page's own viewer in Debian's Chromium
picture: demo
    containers/in-image mlip-kmc report akmc-run
    "$(containers/packages browser)/bin/python" bench/picture.py akmc-run/results/report.html docs/example.png

# a campaign from a potential that has seen no hop to 20 KMC steps, EMT as oracle, into campaign-demo/ (15 minutes a case)
campaign-demo *CASES="vacancy": image
    containers/in-image python3 bench/campaign.py {{ CASES }}

# force calls of a refresh against exploring anew, from one potential of a campaign to another (minutes)
bench-refresh OLD="campaign-demo/vacancy/first.yace" NEW="campaign-demo/vacancy/campaign/gen-001/potential/first-gen-001.yace" STRUCTURE="campaign-demo/vacancy/start.xyz": image
    containers/in-image python3 bench/refresh.py {{ OLD }} {{ NEW }} {{ STRUCTURE }}

# labels until a potential is calm and right, chosen by mlip-kmc against random choice, five seeds (minutes)
bench-labels *ARGUMENTS: image
    containers/in-image python3 bench/labels.py {{ ARGUMENTS }}

# put the command mlip-kmc on PATH, for this machine: a link in FOLDER to slurm/mlip-kmc, which runs it in image.sif
wrapper FOLDER="~/.local/bin":
    #!/usr/bin/env bash
    set -euo pipefail
    folder={{ quote(FOLDER) }}
    folder=${folder/#\~/$HOME}
    mkdir -p "$folder"
    ln -sfn "$PWD/slurm/mlip-kmc" "$folder/mlip-kmc"
    echo "$folder/mlip-kmc -> $PWD/slurm/mlip-kmc"
    case :$PATH: in
        *":$folder:"*) ;;
        *) echo "wrapper: $folder is not in PATH; add this line to ~/.bashrc or ~/.zshrc:  export PATH=\"$folder:\$PATH\"   (fish: fish_add_path $folder)" ;;
    esac

# all tests: inside the image, of the image from outside, of the job scripts on a real Slurm; or only those named, inside
[positional-arguments]
test *ARGUMENTS: image
    #!/usr/bin/env bash
    set -euo pipefail
    if [ $# -gt 0 ]; then exec containers/in-image --dev python3 -m pytest "$@"; fi
    exec tests/all

# the job scripts on a real Slurm of three nodes, the real delays included; needs root (an hour on two cores)
soak *ARGUMENTS: image
    MLIP_KMC_SOAK=1 "$(containers/packages host)/bin/pytest" tests/slurm -s {{ ARGUMENTS }}

# faults at every system call of the process that commits; 200 kills, 20 more of runs with each shortcut; every file torn (hours on two cores)
kills *ARGUMENTS: image
    containers/in-image --dev env MLIP_KMC_FAULTS="${MLIP_KMC_FAULTS:-1}" python3 -m pytest tests/faults -s {{ ARGUMENTS }}
    containers/in-image --dev env MLIP_KMC_FAULTS=1 python3 -m pytest tests/integration -k kills -s

# the run, its workers and all of them stopped and continued around every time-out, at real lengths (an hour and a half)
sleeps *ARGUMENTS: image
    containers/in-image --dev env MLIP_KMC_SLEEPS=1 python3 -m pytest tests/integration/test_sleep.py -s {{ ARGUMENTS }}

# a million ticks of the server on invented states, with kills, full disks and changing workers (half an hour)
ticks COUNT="1000000":
    containers/in-image --dev env MLIP_KMC_TICKS={{ COUNT }} python3 -m pytest tests/unit/akmc/test_tick.py -s -k thousand

# ruff and mypy, with the image's Python and packages
lint:
    containers/in-image --dev python3 -m ruff check .
    containers/in-image --dev python3 -m ruff format --check .
    containers/in-image --dev python3 -m mypy

# make the reference pages (configuration, commands) anew from the program
docs:
    containers/in-image --dev env PYTHONPATH="$PWD/src" python3 docs/reference.py

# make the examples' potentials again and compare them, byte for byte, with the committed files
example-potential:
    #!/usr/bin/env bash
    set -euo pipefail
    made=$(mktemp -d -p . .example-potential.XXXXXX)
    trap 'rm -rf "$made"' EXIT
    for recipe in cu-vacancy/make_potential.py cu-campaign/make_campaign.py; do
        folder=$made/${recipe%/*}
        containers/in-image python3 "examples/$recipe" --output "$folder"
        for file in "$folder"/*; do
            cmp "$file" "examples/${recipe%/*}/${file##*/}" || { echo "example-potential: ${file##*/} came out different" >&2; exit 1; }
            echo "${file##*/}: the same"
        done
    done

# regenerate the lock files: newest versions that the .in files allow
lock:
    #!/usr/bin/env bash
    set -euo pipefail
    tools=$(mktemp -d)
    trap 'rm -rf "$tools"' EXIT
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check uv
    compile() { "$tools/bin/uv" pip compile --quiet --upgrade --generate-hashes --no-header --no-annotate "$@"; }
    cd containers
    image=(--python-version 3.13 --python-platform x86_64-manylinux_2_28)
    compile "${image[@]}" requirements.in -o requirements.lock
    compile "${image[@]}" --constraint requirements.lock dev.in -o dev.lock
    compile --universal --python-version 3.11 host.in -o host.lock
    compile --universal --python-version 3.11 npm.in -o npm.lock
    compile --universal --python-version 3.11 --constraint host.lock browser.in -o browser.lock
    compile --universal --python-version 3.11 --no-deps chemiscope.in >>browser.lock
    git diff --stat -- .

# release the potential of a run, signed: just release my-run ~/.ssh/id_ed25519 --settings release.yaml --training-set train.xyz
[positional-arguments]
release RUN KEY="" *OPTIONS:
    @release/make "$@"

# the training and test sets of the example's potential, which its release asks for, into akmc-run-sets/
example-sets:
    containers/in-image env PYTHONPATH="$PWD/src" python3 examples/cu-vacancy/make_potential.py --sets akmc-run-sets

# what a force call costs by each way: bare, in eOn, through the persistent and the one-shot driver (half an hour on two cores)
bench-calls *ARGUMENTS: image
    containers/in-image python3 bench/calls.py {{ ARGUMENTS }}

# 20 000 calls of the persistent driver by each engine, memory and descriptors watched (five minutes)
driver-leaks: image
    containers/in-image --dev env MLIP_KMC_DRIVER_CALLS=20000 python3 -m pytest tests/integration/test_driver.py -k many_calls -s

# what each confidence scheme misses, over independent repeats of the example's state 0 (a quarter of an hour on two cores)
confidence *ARGUMENTS: image
    containers/in-image python3 bench/confidence.py {{ ARGUMENTS }}

# events an hour, busy share of two workers, searches not wasted: beside eOn's own Local communicator (half an hour on two cores)
bench-throughput *ARGUMENTS: image
    containers/in-image python3 bench/throughput.py {{ ARGUMENTS }}

# what gamma costs a process search of the example (two minutes)
bench-gamma *ARGUMENTS: image
    containers/in-image python3 bench/gamma.py {{ ARGUMENTS }}

# harmonic prefactors of a vacancy: force calls by symmetry and dense, and by atoms within a radius (a quarter of an hour on two cores)
bench-prefactors *ARGUMENTS: image
    containers/in-image python3 bench/prefactors.py {{ ARGUMENTS }}

# evaluations an event takes, each technique off in turn, beside eOn's own server (two hours; runs that are there are taken)
bench-events *ARGUMENTS: image
    containers/in-image python3 bench/events.py {{ ARGUMENTS }}

# KMC events an hour on two workers, beside a build without our engine, orbits and classes (ten minutes)
bench-pace *ARGUMENTS: image
    containers/in-image python3 bench/pace.py {{ ARGUMENTS }}

# what our own engine with symmetry misses, against 2000 searches by eOn's client (an hour and a half; it goes on where it was ended)
bench-accuracy *ARGUMENTS: image
    containers/in-image python3 bench/accuracy.py {{ ARGUMENTS }}

# force calls and missing processes behind a hop, with what is carried over and explored anew
bench-reuse *ARGUMENTS: image
    containers/in-image python3 bench/reuse.py {{ ARGUMENTS }}

# force calls of a found process by our own search engine and by eOn's client (five minutes)
bench-engines *ARGUMENTS: image
    containers/in-image python3 bench/engines.py {{ ARGUMENTS }}

# what a search evaluates in a region of a large cell, its barriers, and the error of a held boundary (ten minutes)
bench-regions *ARGUMENTS: image
    containers/in-image python3 bench/regions.py {{ ARGUMENTS }}

# a simulated cluster of 1 to 2048 workers: events an hour, busy share, what the server costs, where it saturates (half an hour)
bench-simulated *ARGUMENTS: image
    containers/in-image python3 bench/simulated.py {{ ARGUMENTS }}
