# What every script of this directory agrees on: names, directories, and how progress is told. Sourced, never run.
# It starts nothing and changes nothing.
# shellcheck shell=bash disable=SC2034  # read by the scripts that source it

set -euo pipefail
cluster_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# One machine can hold several clusters: everything that one makes carries its name.
cluster=${BARNABAS_CLUSTER:-barnabas}
if ! [[ $cluster =~ ^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$ ]]; then
    echo "BARNABAS_CLUSTER=$cluster: at most 20 of a-z, 0-9 and -, a letter first" >&2
    exit 2
fi
if ((EUID == 0)); then clusters=/var/lib/barnabas-clusters; else clusters=${XDG_STATE_HOME:-$HOME/.local/state}/barnabas-clusters; fi
clusters=${BARNABAS_CLUSTERS:-$clusters}
state=$clusters/$cluster
cache=${BARNABAS_CACHE:-$HOME/.cache/barnabas}
kubeconfig=$state/kubeconfig

kubernetes_version=v1.34.2
kind_version=v0.30.0
# What a node of our own runs, and what programs and images are made with.
node_packages=(etcd-server containerd runc containernetworking-plugins iptables iproute2 procps conntrack socat ethtool)
image_packages=(gcc libc6-dev buildah busybox-static bash-static binutils ca-certificates curl jq kcat openssl)

# Binaries are kept under a key of all that went into them.
binaries() {
    local key
    key=$(cd "$cluster_dir" && { cat build kubernetes/* local-path-provisioner/*; go version; } | sha256sum)
    echo "$cache/kubernetes-$kubernetes_version-${key:0:12}"
}

# kind where a Docker engine answers, else a node of our own.
provider() {
    if [[ -f $state/provider ]]; then cat "$state/provider"
    elif [[ -n ${BARNABAS_PROVIDER:-} ]]; then echo "$BARNABAS_PROVIDER"
    elif docker info --format '{{.ServerVersion}}' >/dev/null 2>&1; then echo kind
    else echo node; fi
}

# The addresses of a node, once it has been given some.
link='' host_address='' node_address='' bridge_address='' pod_range='' service_range='' kubernetes_service_address=''
# shellcheck source=/dev/null  # written by `up`
read_addresses() { . "$state/node.env"; }

# The host's ids of first processes of this node: those that run node/init with our state directory and are number 1
# in a name space. One, unless a run was killed at a bad moment; none when the node is down.
node_pids() {
    local pid
    for pid in $(pgrep -f 'node/init /'); do
        if grep -qE '^NSpid:.*\s1$' "/proc/$pid/status" 2>/dev/null &&
            tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "node/init $state "; then echo "$pid"; fi
    done
}
node_pid() { node_pids | head -n 1; }
# The kernel ends every process of a name space with its first.
kill_node() {
    local pid
    for pid in $(node_pids); do
        kill -KILL "$pid" 2>/dev/null || true
        wait_until 20 eval "! kill -0 $pid" || fail "process $pid does not end"
    done
}

as_root() { if ((EUID == 0)); then "$@"; else sudo --preserve-env=HOME,PATH,BARNABAS_CACHE "$@"; fi; }
missing_packages() { # packages…
    local package
    for package; do
        [[ $(dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
    done
}
# Installs what is missing without letting the packages start services of their own.
install_packages() { # packages…
    local missing policy=/usr/sbin/policy-rc.d log=$clusters/packages.log
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]} > 0)) || { step_ends "all there"; return; }
    command -v apt-get >/dev/null || fail "this is no Debian: install what these packages hold by hand: ${missing[*]}"
    # One of ours that a killed run left is ours to remove.
    if [[ -e $policy ]] && ! grep -q barnabas "$policy"; then policy=; else
        printf '#!/bin/sh\n# barnabas: no service starts for being installed\nexit 101\n' | as_root install -m 755 /dev/stdin "$policy"
    fi
    local code=0
    following "$log" as_root sh -c 'apt-get update && apt-get install -y --no-install-recommends "$@"' sh "${missing[@]}" || code=$?
    [[ -z $policy ]] || as_root rm -f "$policy"
    ((code == 0)) || fail "apt-get could not install ${missing[*]}" "$log"
    printf '%s\n' "${missing[@]}" >>"$clusters/packages"
    step_ends "${missing[*]}"
}

in_node() { nsenter --target "$(node_pid)" --mount --uts --ipc --net --pid -- "$@"; }

step_name=
step_started=
steps_started=$(date +%s%N)
seconds_since() { local ms=$((($(date +%s%N) - $1) / 1000000)); printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100)); }
step() { step_name=$1; step_started=$(date +%s%N); printf '  %-46s ' "$1"; }
step_ends() { printf '%6s s  %s\n' "$(seconds_since "$step_started")" "${1:-}"; step_name=; }
# following LOG COMMAND…: runs what may take minutes and shows meanwhile what it is at: on a terminal in the step's own
# line, elsewhere in a line a minute.
following() {
    local log=$1 pid last shown=0 elapsed
    shift
    "$@" </dev/null >"$log" 2>&1 &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        elapsed=$((($(date +%s%N) - step_started) / 1000000000))
        ((elapsed > shown)) || continue
        last=$(tail -n 1 "$log" | tr -dc '[:print:]')
        if [[ -t 1 ]]; then
            printf '\r  %-46s %4d s    %-40.40s' "$step_name" "$elapsed" "$last"
            shown=$elapsed
        elif ((elapsed >= shown + 60)); then
            printf '\n    %d s: %.100s' "$elapsed" "$last"
            shown=$elapsed
        fi
    done
    if ((shown > 0)); then
        if [[ -t 1 ]]; then printf '\r\033[K'; else printf '\n'; fi
        printf '  %-46s ' "$step_name"
    fi
    wait "$pid"
}
fail() {
    [[ -z $step_name ]] || printf '%6s s  FAILED\n' "$(seconds_since "$step_started")"
    printf '\n%s\n' "$1" >&2
    shift
    local log
    for log; do
        [[ -f $log ]] || continue
        printf '\nthe end of %s:\n' "$log" >&2
        tail -n "${tail_lines:-25}" "$log" | cut -c1-400 | sed 's/^/    /' >&2
    done
    exit 1
}

# wait_until SECONDS COMMAND…: asks until it succeeds; 1 when the time is up or the node has ended.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.2
    done
}
