# shellcheck shell=bash disable=SC2034,SC2154 # variables of the scripts that source this
# What the scripts beside this file share: site settings, the container, signals, the guards, and how a job ends.
# They source it; it does nothing by itself.
#
# A job's own files, in the run directory:
#   DONE, HALTED, FAILED     how it ended, and what to do next; one of them, or none while it is to go on
#   slurm/starts             the guards' memory: job, restarts, and what was done when it started last
#   slurm/reason             the message of the program's error, as the program wrote it; none after a kill
#   slurm/reason-NODE        the same of the workers of a node
#   slurm/stderr.log         standard error of the program and of the container
#   slurm/worker-NODE.log    what the workers of a node said

note() { printf '%s %s: %s\n' "$(date +%FT%T)" "${SLURM_JOB_NAME:-job}" "$*"; }
refuse() { note "$*; nothing was touched" >&2; exit 1; } # where the run directory is not ours

job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID} # the number alone may mean the whole array
job=${job:-$SLURM_JOB_ID}
work_for='' # the run that workers join, where that is not the job's own directory
crew='' # the process that waits for the workers of other nodes
after_jobs='' # what a successor waits for, besides this job

# -- settings: site.env of the folder that was submitted from, else beside this file; MLIP_KMC_SITE names another

read_settings() {
    local file
    lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || fail "cannot enter the folder of lib.sh"
    for file in "${MLIP_KMC_SITE:-}" "$SLURM_SUBMIT_DIR/site.env" "$lib/site.env"; do
        # shellcheck source=/dev/null
        if [ -f "$file" ]; then set +u; . "$file"; set -u; break; fi
    done
    image=${MLIP_KMC_IMAGE:-$lib/../image.sif}
    apptainer=${MLIP_KMC_APPTAINER:-apptainer}
    node_scratch=${MLIP_KMC_NODE_SCRATCH:-${SLURM_TMPDIR:-${TMPDIR:-/tmp}}}
    scratch_MB=${MLIP_KMC_SCRATCH_MB:-1000}
    grace_s=${MLIP_KMC_GRACE_S:-120}
    patience_min=${MLIP_KMC_PATIENCE_MIN:-3}
    most_restarts=${MLIP_KMC_MOST_RESTARTS:-100}
    most_barren=${MLIP_KMC_MOST_BARREN:-3}
    label_wait_min=${MLIP_KMC_LABEL_WAIT_MIN:-10}
    local name
    for name in scratch_MB grace_s most_restarts most_barren label_wait_min; do
        [[ ${!name} =~ ^[0-9]{1,9}$ ]] || fail "MLIP_KMC_${name^^} must be a whole number, it is ${!name@Q}; correct site.env"
    done
    [[ $patience_min =~ ^[0-9]{1,6}(\.[0-9]{1,3})?$ ]] || fail "MLIP_KMC_PATIENCE_MIN must be a number, it is ${patience_min@Q}; correct site.env"
    [ -e "$image" ] || fail "there is no image $image; set MLIP_KMC_IMAGE in site.env"
    command -v "$apptainer" >/dev/null || fail "there is no $apptainer on $(hostname); load it in site.env"
}

# -- the container

make_scratch() { # main|worker: a private folder on this node's own disk, gone with the script; 1: no room
    local free_MB prefix path other alive start=${SLURM_RESTART_COUNT:-0}
    prefix=$node_scratch/mlip-kmc-$(id -u)
    if alive=$(squeue --noheader --user="$(id -u)" --states=RUNNING,COMPLETING,SUSPENDED,CONFIGURING --format=%i 2>/dev/null); then
        for path in "$prefix"-*; do # what jobs left that were killed, and earlier starts of this one on this node
            other=${path#"$prefix"-}
            if ! grep -qxF -e "${other%%-*}" <<<"$alive" ||
                { [[ $other =~ ^"$job"-r([0-9]+)-"$SLURMD_NODENAME"- ]] && [ "${BASH_REMATCH[1]}" -lt "$start" ]; }; then rm -rf "$path"; fi
        done
    fi
    free_MB=$(($(stat -f -c '%a * %S' "$node_scratch") / 1000000)) || return 1
    if [ "$free_MB" -lt "$scratch_MB" ]; then
        echo "error: $node_scratch on $(hostname) has $free_MB MB left, $scratch_MB MB are wanted; set MLIP_KMC_NODE_SCRATCH in site.env" >&2
        return 1
    fi
    scratch=$(mktemp -d "$prefix-$job-r$start-$SLURMD_NODENAME-$1.XXXXXX") || return 1 # no other start's, however late that ends
    trap 'clear_scratch' EXIT
}

clear_scratch() { # Slurm sends SIGTERM to all of an ending job's processes, `rm` too, which would leave half of it
    trap '' INT TERM USR1 USR2
    rm -rf "$scratch"
}

set_container() { # PATH...: the array `container`, which runs a command in the image; it sees these and the submit folder
    local path bound=() options=(--containall --no-home --pwd "$SLURM_SUBMIT_DIR" --bind "$scratch:/scratch")
    for path in "$SLURM_SUBMIT_DIR" "$@"; do
        [[ $path != *[,:]* ]] || { echo "error: Apptainer cannot bind $path: rename it without ',' and ':'" >&2; return 1; }
        is_below "$path" "${bound[@]}" || { bound+=("$path"); options+=(--bind "$path"); }
    done
    [ -z "${reason_file:-}" ] || options+=(--env "MLIP_KMC_REASON_FILE=$reason_file")
    [ ! -p "$scratch/relay/ask" ] || options+=(--env MLIP_KMC_RELAY=/scratch/relay)
    options+=(--env MLIP_KMC_SCRATCH=/scratch --env TMPDIR=/scratch --env COLUMNS=200)
    for path in SLURMD_NODENAME SLURM_JOB_ID SLURM_RESTART_COUNT SLURM_CPUS_PER_TASK SLURM_CPUS_ON_NODE SLURM_STEP_TASKS_PER_NODE; do
        [ -z "${!path:-}" ] || options+=(--env "$path=${!path}")
    done
    read -ra path <<<"${MLIP_KMC_APPTAINER_OPTIONS:-}"
    container=("$apptainer" --quiet exec "${options[@]}" "${path[@]}" "$image")
}

reason() { # FILE...: what the program wrote of its error; where it wrote nothing, the last error of Apptainer, Python or Slurm
    local file
    for file in "$@"; do
        if [[ ${file##*/} == reason* && -s $file ]]; then head -n 1 "$file"; return; fi
    done
    grep -hE '^(FATAL|[^ ]*[Ee]rror|slurmstepd|srun)' "$@" 2>/dev/null | tail -n 1
}

is_below() { # PATH FOLDER...
    local folder
    for folder in "${@:2}"; do [[ $1/ != "$folder"/* ]] || return 0; done
    return 1
}

# -- the scheduler, for a program in the container: it writes FOLDER/N.request and N into the pipe FOLDER/ask, and reads
#    FOLDER/N.answer, whose first line is the exit code. A request is `jobs`, or `submit`, and the options, a line each.

answer_request() { # FOLDER N LIB
    local words code
    mapfile -t words <"$1/$2.request" || return
    case ${words[0]} in
        jobs) squeue "${words[@]:1}" >"$1/$2.out" 2>"$1/$2.err"; code=$? ;;
        submit) env -u SLURM_RESTART_COUNT -u SLURM_ARRAY_TASK_ID -u SLURM_ARRAY_JOB_ID MLIP_KMC_LIB="$3" \
            sbatch "${words[@]:1:${#words[@]}-2}" "$3/label.sbatch" "${words[-1]}" >"$1/$2.out" 2>"$1/$2.err"; code=$? ;;
        *) echo "there is no request ${words[0]}" >"$1/$2.err"; code=2 ;;
    esac
    { echo "$code"; cat "$1/$2.out"; [ "$code" -eq 0 ] || cat "$1/$2.err"; } >"$1/$2.new"
    rm -f "$1/$2.out" "$1/$2.err"
    mv "$1/$2.new" "$1/$2.answer"
}

start_relay() { # FOLDER LIB OWNER: answers requests until the process OWNER ends
    local number pipe
    mkdir -p "$1" && mkfifo "$1/ask" || return
    exec {pipe}<>"$1/ask" # at both ends, so that it waits and does not end with a writer; here, so that nobody asks too early
    (
        trap '' INT USR1 # those are for the program
        exec </dev/null >/dev/null 2>&1
        while kill -0 "$3"; do
            if read -r -t 5 -u "$pipe" number && [[ $number =~ ^[0-9a-f]{32}$ ]]; then answer_request "$1" "$number" "$2"; fi
        done
        rm -rf "$1"
    ) &
    exec {pipe}>&-
}

# -- signals: a trap runs only between commands, so what lasts runs in the background and is waited for

pass_on() { kill -s "$1" "$main" 2>/dev/null || true; } # SIGNAL

on_notice() { # SIGNAL
    interrupted=yes
    [ "$notice" != TERM ] || return # one is enough
    [ "$notice" = "$1" ] || note "notice by SIG$1"
    notice=$1
    [ -z "$main" ] || insist "$1"
}

insist() { # SIGNAL: pass it on, and again: a program that has only just been started may not have heard it
    pass_on "$1"
    (while sleep 10 && kill -0 "$main"; do pass_on "$1"; done) >/dev/null 2>&1 &
}

attend() { # PID: the process `main` from now on, until it ends; its exit code is in `code`
    main=$1
    [ -z "$notice" ] || insist "$notice" # it came before
    while interrupted=; wait "$main"; code=$?; [ -n "$interrupted" ]; do :; done
    main=
}

pause() { sleep "$1" & wait "$!"; } # a signal ends it

# Preemption gives notice to a job's steps only, not to its script: a step that does nothing else passes it on.
listen_for_preemption() {
    {
        trap - USR1 TERM
        srun --overlap --export=ALL --nodes=1 --ntasks=1 --nodelist="$SLURMD_NODENAME" \
            bash -c 'trap "exit 99" TERM; while :; do sleep 1000 & wait; done' >"$run/slurm/listener.log" 2>&1
        [ "$?" -ne 99 ] || kill -TERM "$$" 2>/dev/null
    } &
}

# -- the workers of a job on several nodes: a step for each, so that a dead node takes only its own with it

slots_of_nodes() { # searches at a time, a line for each node, in their order: from "32(x2),16"
    local entry i
    for entry in ${SLURM_JOB_CPUS_PER_NODE//,/ }; do
        [[ $entry =~ ^([0-9]+)(\(x([0-9]+)\))?$ ]] || continue
        for ((i = 0; i < ${BASH_REMATCH[3]:-1}; i++)); do echo "${MLIP_KMC_SLOTS:-${BASH_REMATCH[1]}}"; done
    done
}

workers_on() { # NODE SLOTS
    local result tries log=$run/slurm/worker-$1.log
    for tries in 1 2 3; do
        srun --overlap --export=ALL --nodes=1 --ntasks=1 --nodelist="$1" --cpu-bind=none \
            bash "$lib/worker.sh" "$run" "$config" "$2" "$SLURMD_NODENAME" "${work_for:-$run}" >>"$log" 2>&1
        result=$?
        case $result in 0 | 99) return "$result" ;; 2 | 4 | 5 | 6 | 8) break ;; esac # it says that trying again is of no use
        [ "$tries" -eq 3 ] || sleep 30
        kill -0 "$$" 2>/dev/null || return 99 # the script has ended: not every Slurm ends what it leaves behind
    done
    note "the workers of $1 gave up with exit code $result: $(tail -n 1 "$log")"
    return "$result"
}

start_workers() {
    local node slots pid crews=() why=TERM over=''
    rm -f "$run"/slurm/reason-* # of earlier starts
    : >"$run/slurm/working"
    trap 'crew_gone=yes; on_notice TERM' USR2
    {
        while read -r node slots; do
            workers_on "$node" "$slots" &
            crews+=("$!")
        done < <(paste -d ' ' <(scontrol show hostnames "$SLURM_JOB_NODELIST") <(slots_of_nodes))
        for pid in "${crews[@]}"; do
            wait "$pid"
            case $? in 0) over=yes ;; 99) ;; *) why=USR2 ;; esac # 0: it saw the end of the run; 99: it was asked to leave
        done
        [ -n "$over" ] || [ ! -e "$run/slurm/working" ] || kill -s "$why" "$$" 2>/dev/null # nobody is left
    } &
    crew=$!
}

# -- the guards: a job goes on only if it gets on. `measure`, the script's own, prints a number that grows as work is done

field() { sed -n "s/^$1=//p" "$run/slurm/starts" 2>/dev/null | tail -n 1; }
number() { local found; found=$(field "$1"); if [[ $found =~ ^[0-9]{1,15}$ ]]; then echo "$found"; else echo 0; fi; }

write_durably() { # FILE: from standard input, whole or not at all
    cat >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && sync "$(dirname "$1")"
}

remember() { # [SUCCESSOR]: what the guards must know at the next start
    printf '%s\n' "job=$job" "successor=${1:-}" "restarts=$restarts" "barren=$barren" "work=$work" "started=$started" |
        write_durably "$run/slurm/starts" || fail "cannot write $run/slurm/starts; make room and submit it again"
}

is_alive() { # JOB
    [ -n "$(squeue --noheader --jobs="$1" --states=PENDING,CONFIGURING,RUNNING,SUSPENDED --format=%i 2>/dev/null)" ]
}

begin() { # RUN: take it up, as a new job or as one that goes on
    local before end
    run=$1 restarts=0 barren=0 work=0 started=$(date +%FT%T) code='' notice='' main='' crew_gone=''
    (umask 077 && mkdir -p "$run/slurm") || refuse "cannot make $run/slurm"
    run=$(cd "$run" && pwd)
    reason_file=$run/slurm/reason
    before=$(field job)
    if { [ "$before" = "$job" ] && [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; } || [ "$(field successor)" = "$job" ]; then
        for end in DONE HALTED FAILED; do
            if [ -e "$run/$end" ]; then note "it has ended already: $run/$end; submit it anew to start it again"; exit 0; fi
        done
        restarts=$(($(number restarts) + 1)) barren=$(number barren) work=$(number work)
    else
        if [ -n "$before" ] && [ "$before" != "$job" ] && is_alive "$before"; then
            refuse "job $before works in $run; wait for it, cancel it, or choose another directory"
        fi
        rm -f "$run"/{DONE,HALTED,FAILED} # of a job whose end somebody has seen
    fi
    end=$(squeue --noheader --jobs="$job" --format=%e 2>/dev/null) # SLURM_JOB_END_TIME is newer than 22.05
    deadline=$(date -d "$end" +%s 2>/dev/null || echo 99999999999)
    trap 'on_notice USR1' USR1
    trap 'on_notice TERM' TERM
    note "start $((restarts + 1)) on $SLURM_JOB_NODELIST, in $run"
}

count_start() { # remember what is done by now; too many starts, or too many for nothing, end here
    local now
    now=$(measure)
    if [ "$restarts" -gt 0 ]; then if [ "$now" -gt "$work" ]; then barren=0; else barren=$((barren + 1)); fi; fi
    work=$now
    remember
    [ "$restarts" -le "$most_restarts" ] || fail "it was restarted $most_restarts times; submit it again to go on"
    [ "$barren" -lt "$most_barren" ] || fail "$barren starts in a row got nothing done; see the job's log, then submit it again"
}

# -- the work: a command in the container, as long as it is of use

work_on() { # COMMAND...: started again when it is killed; afterwards `code` and `error` say how it ended
    local busy=20 # waits for a dead node's process to be seen as dead
    while [ -z "$notice" ]; do
        rm -f "$reason_file"
        "${container[@]}" "$@" 2>"$run/slurm/stderr.log" &
        attend "$!"
        cat "$run/slurm/stderr.log" >&2
        error=$(reason "$reason_file" "$run/slurm/stderr.log")
        case $code in
            0 | 75 | 100) break ;;
            10) # in use by another process: a node that Slurm has given up may still work in there
                if [ "$restarts" -eq 0 ] || ((busy-- == 0)); then break; fi
                code=
                pause 30 ;;
            *)
                if [ "$code" -le 128 ] || [ -n "$notice" ]; then break; fi
                error="the program was killed by signal $((code - 128))" # not by us: perhaps it ran out of memory
                note "$error; it is started again"
                restarts=$((restarts + 1))
                count_start ;;
        esac
    done
    if [ -n "$notice" ] && [ "${code:-129}" -gt 128 ]; then code=75; fi # the notice came before it could listen
}

dismiss_workers() { # their work is over; where they left before it was, that is how it ended
    local tries=40
    rm -f "$run/slurm/working"
    # they see that the run has ended, and clear up; what still runs when the script ends is killed. A dead node's never end.
    while [ -n "$crew" ] && kill -0 "$crew" 2>/dev/null && ((tries-- > 0)); do pause 0.25; done
    [ -z "$crew_gone" ] || [ "$code" -ne 75 ] || { code=5; error=$(reason "$run"/slurm/reason-* "$run"/slurm/worker-*.log); }
}

# -- the end: one file, or a requeue

finish() { # DONE|HALTED|FAILED, exit code; the file's text comes from standard input
    local other text
    text=$(cat)
    for other in DONE HALTED FAILED; do [ "$other" = "$1" ] || rm -f "$run/$other"; done
    write_durably "$run/$1" <<<"$text" || note "cannot write $run/$1"
    note "$1: $text"
    exit "$2"
}

fail() { finish FAILED "${code:-1}" <<<"$*"; }

of_job() { scontrol --oneliner show job "$job" 2>/dev/null | tr ' ' '\n' | sed -n "s/^$1=//p" | head -n 1; }

go_on() { # there is more to do: requeue, if that is of use
    local seen
    code=1
    if [ "$(measure)" -le "$work" ]; then
        [ "$notice" = TERM ] ||
            fail "nothing was done since this start ($started): give it more time than one search takes, or see why it is stuck"
        # it was preempted, perhaps at once; that may happen a few times in a row
        [ $((barren + 1)) -lt "$most_barren" ] || fail "$most_barren starts in a row were ended before anything was done"
    fi
    [ "$restarts" -lt "$most_restarts" ] || fail "it was restarted $most_restarts times; submit it again to go on"
    if [ "$(of_job JobState)" = COMPLETING ]; then # Slurm ends it already, and a requeue would undo scancel
        seen=$(of_job Restarts)
        if [ "${seen:-0}" -gt "${SLURM_RESTART_COUNT:-0}" ]; then note "Slurm requeues this job by itself"; exit 0; fi
        [ "$(date +%s)" -ge "$deadline" ] || fail "the job was cancelled; what was committed is safe: submit it again to go on"
    fi
    requeue
}

requeue() {
    local message seen tries=30
    while ! message=$(scontrol requeue "$job" 2>&1); do
        seen=$(of_job Restarts)
        [ "${seen:-0}" -le "${SLURM_RESTART_COUNT:-0}" ] || break # it did, and ended scontrol with the job's other processes
        if ((tries-- == 0)) || scontrol ping 2>/dev/null | grep -q ' is UP'; then # it answers, and says no
            note "it cannot be requeued: $message"
            submit_successor
        fi
        pause 10 # slurmctld is being restarted
    done
    note "requeued: restart $((restarts + 1)) of at most $most_restarts"
    exit 0
}

wait_for_jobs() { # JOB...: nothing can be done before they end: the same job again, after them, and no node waits
    [ "$restarts" -lt "$most_restarts" ] || fail "it was restarted $most_restarts times; submit it again to go on"
    work=0 # whatever they leave is progress
    after_jobs=$(IFS=:; echo "$*")
    note "it goes on after these jobs: ${*:-none}"
    submit_successor --begin="now+${label_wait_min}minutes"
}

submit_successor() { # [OPTION...]: where a site forbids requeueing: the same job again, once this one has ended
    local message flags=("$@") value pair name
    # of this run alone: `singleton` waits for every job of its name
    name=${SLURM_JOB_NAME%@*}@$(cksum <<<"$run" | cut -d ' ' -f 1)
    for pair in partition:SLURM_JOB_PARTITION account:SLURM_JOB_ACCOUNT qos:SLURM_JOB_QOS nodes:SLURM_JOB_NUM_NODES \
        ntasks-per-node:SLURM_NTASKS_PER_NODE cpus-per-task:SLURM_CPUS_PER_TASK mem:SLURM_MEM_PER_NODE \
        mem-per-cpu:SLURM_MEM_PER_CPU array:SLURM_ARRAY_TASK_ID; do
        value=${pair#*:}
        [ -z "${!value:-}" ] || flags+=("--${pair%%:*}=${!value}")
    done
    value=$(of_job TimeLimit); [ -z "$value" ] || flags+=("--time=$value")
    value=$(of_job StdOut); [ -z "$value" ] || flags+=("--output=$value")
    read -ra value <<<"${MLIP_KMC_SUCCESSOR_FLAGS:-}"
    message=$(cd "$SLURM_SUBMIT_DIR" && scontrol write batch_script "$SLURM_JOB_ID" "$run/slurm/script" >/dev/null &&
        env -u SLURM_RESTART_COUNT MLIP_KMC_LIB="$lib" sbatch --parsable --job-name="$name" \
            --dependency="singleton,afterany:$job${after_jobs:+:$after_jobs}" "${flags[@]}" "${value[@]}" "$run/slurm/script" "${arguments[@]}" 2>&1) ||
        fail "it can neither be requeued nor submitted again ($message); submit it by hand to go on"
    message=${message%%;*}
    remember "$message${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"
    note "job $message follows"
    exit 0
}
