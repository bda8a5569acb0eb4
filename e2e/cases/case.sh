# What the cases are made of. A case is a script of its own: it sources this file, gets a namespace of its own in the
# cluster that is up, says what must hold, and ends at the first thing that does not. Sourced, never run.
# shellcheck shell=bash disable=SC2034  # some of it is for the cases alone
# shellcheck source=../cluster/settings.sh
. "$(dirname "${BASH_SOURCE[0]}")/../cluster/settings.sh"

root=$(cd "$cluster_dir/../.." && pwd)
case_name=$(basename "$0")
ns=e2e-$case_name
eval "$("$cluster_dir/status" --env)"
# A copy of its own, so that its namespace is the default here and nowhere else. What a case leaves beside it goes with it.
own_kubeconfig=$(mktemp "${TMPDIR:-/tmp}/barnabas-$case_name.XXXXXX")
cp "$KUBECONFIG" "$own_kubeconfig"
export KUBECONFIG=$own_kubeconfig
kubectl config set-context --current --namespace "$ns" >/dev/null

ended() {
    local code=$?
    if ((code != 0)); then
        echo "  what the cluster looked like:"
        {
            kubectl get kcl,ktp,kcg,sts,pods,svc,pvc -o wide
            kubectl get kcl,ktp,kcg -o json | jq -r '.items[] | .kind + " " + .metadata.name + ": " + ([.status.conditions[]? | .type + "=" + .status + " " + (.reason // "") + " " + (.message // "")] | join("; "))'
            kubectl get events --sort-by .lastTimestamp | tail -15
            kubectl logs -l barnabas.dev/cluster=kafka --prefix --all-containers --tail 15
            kubectl -n barnabas-system logs deployment/barnabas-operator --tail 200 | grep -v '"message":"applied"' | tail -10
        } 2>&1 | cut -c1-240 | sed 's/^/    /'
    fi
    [[ -n ${KEEP:-} ]] || kubectl delete namespace "$ns" --wait=false >/dev/null 2>&1 || true
    rm -f "$own_kubeconfig" "$own_kubeconfig".*
    exit "$code"
}

# holds SENTENCE COMMAND…: the command succeeds now.
holds() {
    local sentence=$1 output
    shift
    if ! output=$("$@" 2>&1); then
        printf '  FAIL %s\n%s\n' "$sentence" "$(tail -n 8 <<<"$output" | cut -c1-400 | sed 's/^/       /')"
        exit 1
    fi
    printf '  ok   %s\n' "$sentence"
}

# eventually SECONDS SENTENCE COMMAND…: the command succeeds before the time is up.
eventually() {
    local seconds=$1 sentence=$2 started output
    shift 2
    started=$(date +%s%N)
    local deadline=$((SECONDS + seconds))
    until output=$("$@" 2>&1); do
        if ((SECONDS >= deadline)); then
            printf '  FAIL %s, within %s s\n%s\n' "$sentence" "$seconds" "$(tail -n 8 <<<"$output" | cut -c1-400 | sed 's/^/       /')"
            exit 1
        fi
        sleep 0.5
    done
    printf '  ok   %s, after %s s\n' "$sentence" "$(seconds_since "$started")"
}

is() { [[ $1 == "$2" ]] || { echo "is '$1', not '$2'"; return 1; }; }
# field RESOURCE JSONPATH, and the same compared.
field() { kubectl get "$1" -o "jsonpath=$2"; }
field_is() { is "$(field "$1" "$2")" "$3"; }
ready() { kubectl wait "$1" --for condition=Ready --timeout "${2:-1}s"; }
gone() { ! kubectl get "$1" -o name 2>/dev/null | grep -q .; }

fresh_namespace() {
    kubectl delete namespace "$ns" --ignore-not-found --timeout 120s >/dev/null
    kubectl create namespace "$ns" >/dev/null
    kubectl label namespace "$ns" pod-security.kubernetes.io/enforce=restricted >/dev/null
}

# A cluster called kafka with a listener inside and one outside, a topic called orders, a pod with a client.
give_cluster() {
    sed "s|@retention_check_ms@|${retention_check_ms:-300000}|" "$root/e2e/cases/cluster.yaml" | kubectl apply -f - >/dev/null
    give_client
    eventually 120 "the KafkaCluster is Ready" ready kafkacluster/kafka
    eventually 60 "the Topic is Ready" ready topic/orders
    inside=$(field kafkacluster/kafka '{.status.bootstrap}')
    outside=$(field kafkacluster/kafka '{.status.listeners[?(@.type=="NodePort")].bootstrap}')
}
give_client() {
    local image
    image=$(awk '$1 == "client" { print $2 }' "$state/images")
    sed "s|@image@|$image|" "$root/e2e/client-pod.yaml" | kubectl apply -f - >/dev/null
    eventually 60 "a pod with kcat is Ready" ready pod/kafka-client
}

in_pod() { kubectl exec -i kafka-client -- "$@"; }
# produce FIRST LAST [TOPIC]: numbered records from the pod, acknowledged by all.
produce() { seq -f 'record %.0f' "$1" "$2" | in_pod kcat -P -b "$inside" -t "${3:-orders}" -X enable.idempotence=true; }
# consumes FIRST LAST [TOPIC]: what is there is exactly those records, each once.
# Not -q: what keeps kcat from a broker is said where a case that fails is shown. A name look-up that lost a packet is repeated after 5 s,
# which is all that kcat would wait.
consumes() {
    local found
    found=$(in_pod kcat -C -e -m 30 -b "$inside" -t "${3:-orders}" -o beginning | sed -n 's/^record //p' | sort -n | sha256sum)
    is "$found" "$(seq "$1" "$2" | sha256sum)"
}

# group_reads COUNT: the group billing goes on where it was, reads that many records, commits and leaves.
group_reads() { is "$(in_pod kcat -q -e -b "$inside" -G billing -X auto.offset.reset=earliest orders | wc -l)" "$1"; }

trap ended EXIT
fresh_namespace
