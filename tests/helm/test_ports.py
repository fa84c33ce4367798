"""The range of UDP ports: the service's own, and nobody's else in the pod."""

import os
import shutil
import subprocess
import sys

import pytest

from rendered import LEAST, SHAPES, Object, merged, pod_of, render, rendered

RESERVED = "net.ipv4.ip_local_reserved_ports"
MODES = ["podNetwork", "stunner", "turnOnly"]
TURN = {"iceServers": [{"urls": "turn:example.org"}], "turn": {"existingSecret": "s"}}


def sysctls_of(objects: list[Object]) -> list[Object]:
    return pod_of(objects)["securityContext"].get("sysctls", [])


def with_media(**media: object) -> Object:
    return merged(LEAST, {"media": TURN | media})


@pytest.mark.parametrize("mode", MODES)
def test_a_pod_reserves_the_range_of_its_media(mode: str):
    ports = {"first": 40_000, "last": 40_099}
    objects = render(with_media(mode=mode, ports=ports))
    assert sysctls_of(objects) == [{"name": RESERVED, "value": "40000-40099"}]


@pytest.mark.parametrize("mode", MODES)
def test_the_range_is_reserved_beside_sysctls_of_one_s_own(mode: str):
    own = {"name": "net.ipv4.tcp_keepalive_time", "value": "60"}
    values = merged(with_media(mode=mode), {"podSecurityContext": {"sysctls": [own]}})
    assert sysctls_of(render(values)) == [own, {"name": RESERVED, "value": "20000-20199"}]
    values["media"]["reservePorts"] = False
    assert sysctls_of(render(values)) == [own]


def test_on_the_node_s_network_nothing_is_reserved():
    assert sysctls_of(render(with_media(mode="hostNetwork"))) == []


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_reserve_it_but_for_the_node_s_network(name: str):
    assert bool(sysctls_of(rendered(name))) is (name != "hostnetwork")


IN_A_POD = """
import pathlib, socket, sys
where = pathlib.Path("/proc/sys/net/ipv4")
(where / "ip_local_port_range").write_text("40000 40019")
(where / "ip_local_reserved_ports").write_text(sys.argv[1])
sockets = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(11)]
for one in sockets[:10]:
    one.bind(("0.0.0.0", 0))
sockets[10].bind(("0.0.0.0", 40_003))
print(sorted(one.getsockname()[1] for one in sockets))
"""


def test_linux_gives_no_port_of_it_to_others_and_lets_the_service_bind_it():
    (sysctl,) = sysctls_of(render(with_media(ports={"first": 40_000, "last": 40_009})))
    command = ["unshare", "--net", sys.executable, "-c", IN_A_POD, sysctl["value"]]
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a network namespace asks for root")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr or "Read-only" in done.stderr:
        pytest.skip(f"no network namespace here: {done.stderr.splitlines()[-1]}")
    assert done.stdout.strip() == str([40_003, *range(40_010, 40_020)]), done.stderr
