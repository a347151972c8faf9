"""The steps on a cluster of one control plane and one worker."""

from machines.endtoend import agent_killed, backups, bad_luck, common, replacement
from machines.endtoend.steps import Part, Step

# The second zone's group is empty: a group that a machine may be mistaken to be of.
SHAPE = common.Shape("us-east-1a,us-east-1b", control_planes=1, workers=1, target_seconds=60, bound_seconds=300)

PART = Part(
    "one",
    Step("one-up", "1 control plane, 1 worker: well", lambda site: common.comes_up(site, SHAPE)),
    (
        Step("one-plan", "nothing is left to do", common.nothing_to_do),
        Step("one-nodes", "nodes have provider id, zone, type and lifecycle", common.nodes_are_what_they_should_be),
        Step("one-services", "systemd understands the machines' services, and gives none up", common.services_are_understood),
        Step("one-service", "a Deployment runs, its Service answers from another node", common.a_service_answers),
        Step("one-dns", "names resolve", common.names_resolve, after="one-service"),
        Step("one-frugal", "memory and user data are small", common.machines_are_frugal),
        Step("one-restore", "etcd goes back to a snapshot", backups.etcd_goes_back),
        Step("one-lost", "the only control plane dies and is replaced", replacement.the_only_one),
        Step("agent-worker", "kill -9 of a worker's agent in each phase", agent_killed.on_a_worker),
        Step("agent-control-plane", "kill -9 of a control plane's agent in each phase", agent_killed.on_the_control_plane),
        Step("missing-download", "a download is missing: its URL is named", bad_luck.a_download_is_missing),
        Step("wrong-checksum", "a download is another: refused", bad_luck.a_download_is_another),
        Step("controller-dies", "kill -9 of the controller, again and again, while a worker joins", bad_luck.the_controller_dies_again_and_again),
        Step("wrong-clock", "a worker's clock is wrong: refused, in words", bad_luck.a_clock_is_wrong),
        Step("wrong-group", "a worker with another group's tag: refused", bad_luck.a_worker_is_of_another_group),
        Step("blank-volume", "etcd's volume is blank: refused, nothing formatted", bad_luck.the_volume_is_blank),
    ),
    Step("one-gone", "the cluster is deleted: nothing is left", common.nothing_is_left),
)
