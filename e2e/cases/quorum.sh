# What the cases of a quorum have in common. Sourced after case.sh, never run.
# shellcheck shell=bash disable=SC2154

# give_quorum FILE: the KafkaCluster kafka with its topic orders, and a pod with a client.
give_quorum() {
    kubectl apply -f "$root/e2e/cases/$1" >/dev/null
    give_client
    eventually 180 "the KafkaCluster is Ready" ready kafkacluster/kafka
    eventually 60 "the Topic is Ready" ready topic/orders
    inside=$(field kafkacluster/kafka '{.status.bootstrap}')
}
quorum_ready() { kubectl wait kafkacluster/kafka --for condition=QuorumReady --timeout 1s; }
whole() { ready kafkacluster/kafka && quorum_ready; }
leader() { field kafkacluster/kafka '{.status.quorum.leaderId}'; }
voters() { field kafkacluster/kafka '{.status.quorum.voters[*].id}'; }
voters_are() { is "$(voters)" "$1"; }
directory_of() { field kafkacluster/kafka "{.status.quorum.voters[?(@.id==$1)].directoryId}"; }
# pod_of ID: nodes' pods end in the node's id.
pod_of() { kubectl get pods -l barnabas.dev/cluster=kafka -o name | grep -- "-$1\$"; }
# another_pod POD UID: it was made anew and is ready.
another_pod() { [[ $(field "$1" '{.metadata.uid}' 2>/dev/null) != "$2" ]] && ready "$1"; }
# make_topic NAME: an administrative change, acknowledged by the quorum.
make_topic() {
    printf 'apiVersion: barnabas.dev/v1alpha1\nkind: Topic\nmetadata: {name: %s}\nspec: {clusterRef: {name: kafka}, partitions: 1}\n' "$1" |
        kubectl apply -f - >/dev/null
}
# topics_are NAME…: what the brokers tell, sorted.
topics_are() {
    local told
    told=$(in_pod kcat -L -J -b "$inside" | jq -r '.topics[].topic' | grep -v '^__' | sort | xargs)
    is "$told" "$(printf '%s\n' "$@" | sort | xargs)"
}
# lose_volume NODE: the claim and the pod of a node are gone for good.
lose_volume() {
    local pod
    pod=$(pod_of "$1")
    kubectl delete pvc "data-${pod#pod/}" --wait=false >/dev/null
    kubectl delete "$pod" --grace-period 0 --force >/dev/null 2>&1
}
