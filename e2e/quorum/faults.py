"""What happens to a quorum: one function for each fault, which strikes and answers which brokers cannot serve until it ends, and how to
end it.

Decides nothing about what passes. Every fault but one leaves a majority of the controllers that reach each other.
"""

import random


def kill_leader(cluster, leader):
    """The node that leads is killed with signal 9, and started again afterwards."""
    node = cluster.nodes[leader]
    node.kill()

    def end():
        node.launch()
        node.await_answer()

    return {leader}, end


def pause_leader(cluster, leader):
    """The node that leads stands still (SIGSTOP), and goes on afterwards as if nothing had been."""
    cluster.nodes[leader].pause()
    return {leader}, cluster.nodes[leader].resume


def around(cluster, node):
    return [other for other in cluster.nodes if other != node]


def isolate_leader(cluster, leader):
    """Nothing comes to the leader from another node, nor from it to one; clients still reach it."""
    cluster.network.cut({(leader, other) for other in around(cluster, leader)} | {(other, leader) for other in around(cluster, leader)})
    return {leader}, cluster.network.heal


def mute_leader(cluster, leader):
    """What the leader sends to other nodes is lost; it still hears them."""
    cluster.network.cut({(leader, other) for other in around(cluster, leader)})
    return {leader}, cluster.network.heal


def deafen_leader(cluster, leader):
    """What other nodes send to the leader is lost; they still hear it."""
    cluster.network.cut({(other, leader) for other in around(cluster, leader)})
    return {leader}, cluster.network.heal


def leave_leader_one(cluster, leader):
    """The leader reaches a single other controller, which reaches everybody: a partition that is no split. Of three it goes on leading, of
    five it cannot."""
    bridge = random.choice([node.node for node in cluster.controllers if node.node != leader])
    others = [node for node in around(cluster, leader) if node != bridge]
    cluster.network.cut({(leader, other) for other in others} | {(other, leader) for other in others})
    leads_on = len(cluster.controllers) == 3
    return set(others) if leads_on else {leader}, cluster.network.heal


def split_minority(cluster, leader):
    """The leader and as many controllers as leave a majority elsewhere are cut off from all others, together."""
    others = [node.node for node in cluster.controllers if node.node != leader]
    beside = set(random.sample(others, (len(cluster.controllers) - 1) // 2 - 1))
    minority = {leader, *beside}
    rest = [node for node in cluster.nodes if node not in minority]
    cluster.network.cut({(a, b) for a in minority for b in rest} | {(b, a) for a in minority for b in rest})
    return minority, cluster.network.heal


def kill_follower(cluster, leader):
    """A controller that does not lead is killed, and started again afterwards: nobody should notice."""
    node = cluster.nodes[random.choice([node.node for node in cluster.controllers if node.node != leader])]
    node.kill()

    def end():
        node.launch()
        node.await_answer()

    return {node.node}, end


def flap(cluster, leader):
    """A follower is cut off for long enough that it wants to be elected, then comes back: pre-vote keeps the leader."""
    node = random.choice([node.node for node in cluster.controllers if node.node != leader])
    cluster.network.cut({(node, other) for other in around(cluster, node)} | {(other, node) for other in around(cluster, node)})
    return {node}, cluster.network.heal


def kill_everybody(cluster, _):
    """All nodes are killed at once and started again: what was acknowledged is on disks alone."""
    for node in cluster.nodes.values():
        node.kill()
    for node in cluster.nodes.values():
        node.launch()
    for node in cluster.nodes.values():
        node.await_answer()
    return set(), lambda: None


# The leader is gone in these: the time to the next acknowledged change is a fail-over. A client that still reaches a leader that was
# cut off hears of no success from it, for it has no majority.
OF_THE_LEADER = [kill_leader, pause_leader, isolate_leader]
# Shapes in which Raft itself is tried more than its clocks.
OF_SHAPES = [mute_leader, deafen_leader, split_minority, leave_leader_one, kill_everybody]
# Nothing should be seen of these.
OF_FOLLOWERS = [kill_follower, flap]
EVERY = OF_THE_LEADER + OF_SHAPES + OF_FOLLOWERS
