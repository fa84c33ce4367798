"""etcd and kube-apiserver of $KUBEBUILDER_ASSETS on loopback: what is accepted, without a kubelet.

`setup-envtest use -p path` (sigs.k8s.io/controller-runtime) downloads them and says where they are.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

TOKEN = "of-an-administrator-of-this-test"
_READY_S = 120


@dataclass(frozen=True)
class Cluster:
    url: str
    folder: Path
    """With ca.crt, token and namespace, as in a pod of the namespace "masks"."""

    def ask(self, method: str, path: str, body: object = None, **query: str) -> httpx.Response:
        """As an administrator."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        if method == "PATCH":
            headers["content-type"] = "application/merge-patch+json"
        return httpx.request(
            method, self.url + path, json=body, params=query, headers=headers, verify=False
        )

    def make(self, path: str, body: object) -> None:
        answer = self.ask("POST", path, body)
        assert answer.status_code in {201, 409}, answer.text


def assets() -> Path:
    """Skips where they are not."""
    given = os.environ.get("KUBEBUILDER_ASSETS")
    if not given:
        pytest.skip("KUBEBUILDER_ASSETS is not set: `setup-envtest use -p path` says to what")
    for program in ("etcd", "kube-apiserver"):
        if shutil.which(program, path=given) is None:
            pytest.skip(f"KUBEBUILDER_ASSETS has no {program}")
    return Path(given)


@contextmanager
def control_plane(programs: Path, folder: Path) -> Iterator[Cluster]:
    """Ready, with the namespace "masks"."""
    etcd_port, peer_port, port = _free_ports(3)
    _write_accounts(folder)
    etcd = [
        f"--data-dir={folder}/etcd",
        f"--listen-client-urls=http://127.0.0.1:{etcd_port}",
        f"--advertise-client-urls=http://127.0.0.1:{etcd_port}",
        f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
    ]
    apiserver = [
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--cert-dir={folder}/certificates",
        f"--token-auth-file={folder}/tokens.csv",
        "--authorization-mode=RBAC",
        # Its controller, which makes the account that each pod has to have, does not run here.
        "--disable-admission-plugins=ServiceAccount",
        "--service-account-issuer=https://127.0.0.1/",
        f"--service-account-key-file={folder}/account.key",
        f"--service-account-signing-key-file={folder}/account.key",
        "--service-cluster-ip-range=10.0.0.0/24",
    ]
    with ExitStack() as until_end:
        until_end.enter_context(_running(programs / "etcd", etcd, folder / "etcd.log"))
        log = folder / "kube-apiserver.log"
        process = until_end.enter_context(_running(programs / "kube-apiserver", apiserver, log))
        cluster = Cluster(f"https://127.0.0.1:{port}", folder)
        _await_ready(cluster, process, log)
        certificate = (folder / "certificates/apiserver.crt").read_text()
        (folder / "ca.crt").write_text(certificate)
        cluster.make("/api/v1/namespaces", {"metadata": {"name": "masks", "labels": RESTRICTED}})
        # What the shapes of ci/ name and a cluster would have.
        cluster.make("/apis/scheduling.k8s.io/v1/priorityclasses", SERVING)
        cluster.make("/apis/node.k8s.io/v1/runtimeclasses", NVIDIA)
        yield cluster


RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
SERVING = {"metadata": {"name": "serving"}, "value": 1000}
NVIDIA = {"metadata": {"name": "nvidia"}, "handler": "nvidia"}


def _write_accounts(folder: Path) -> None:
    (folder / "tokens.csv").write_text(f"{TOKEN},admin,1,system:masters\n")
    (folder / "token").write_text(TOKEN)
    (folder / "namespace").write_text("masks")
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (folder / "account.key").write_bytes(text)


@contextmanager
def _running(
    program: Path, arguments: Sequence[str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("w") as said:
        process = subprocess.Popen([program, *arguments], stdout=said, stderr=said)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def _await_ready(cluster: Cluster, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline_s = time.monotonic() + _READY_S
    while time.monotonic() < deadline_s:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            if cluster.ask("GET", "/readyz").is_success:
                return
        except httpx.TransportError:  # it does not listen yet
            pass
        time.sleep(0.2)
    raise AssertionError(log.read_text()[-2000:])


def _free_ports(number: int) -> list[int]:
    with ExitStack() as until_known:
        sockets = [until_known.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
