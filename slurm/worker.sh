#!/usr/bin/env bash
# The workers of one node: started by akmc.sbatch and campaign.sbatch through srun.
#   worker.sh FOLDER CONFIG SEARCHES_AT_A_TIME BATCH_NODE RUN      FOLDER is the job's, RUN the run that they join
set -uo pipefail
# shellcheck source=slurm/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
fail() { echo "$*" >&2; exit 1; }
run=$1 config=$2 slots=$3 batch_node=$4 joined=$5 notice='' main=''
exec >>"$run/slurm/worker-$SLURMD_NODENAME.log" 2>&1 # not through srun, which dies with the batch node
reason_file=$run/slurm/reason-$SLURMD_NODENAME
rm -f "$reason_file"
read_settings
make_scratch worker || exit 8
set_container "$run" "$(cd "$(dirname "$config")" && pwd)" || exit 1
trap 'on_notice TERM' TERM
trap '' USR1 # it is for the run: workers go on until that ends

batch_node_is_there() { # as far as Slurm knows
    local state
    state=$(sinfo --noheader --nodes="$batch_node" --format=%T | head -n 1)
    note "the workers have ended; Slurm says of $batch_node: ${state:-nothing}"
    [[ $state != *down* && $state != *fail* ]]
}

# dismissed while they wait for a run that will not come: a campaign's last one has ended
(
    while [ -e "$run/slurm/working" ]; do kill -0 "$$" || exit; sleep 1; done
    kill -TERM "$$"
) >/dev/null 2>&1 &

while [ -z "$notice" ]; do
    "${container[@]}" mlip-kmc worker "$joined" --slots "$slots" --patience-min "$patience_min" \
        ${MLIP_KMC_INTERFACE:+--interface "$MLIP_KMC_INTERFACE"} &
    attend "$!"
    [ "$code" -eq 0 ] || [ -n "$notice" ] || exit "$code"
    [ -e "$run/slurm/working" ] || exit 0
    # with --no-kill, Slurm lets a job go on whose script's node has died, and so nobody would ever end it
    if [ -z "$notice" ] && ! batch_node_is_there; then note "$batch_node is gone: requeueing"; scontrol requeue "$job"; exit 0; fi
done
exit 99 # asked to leave
