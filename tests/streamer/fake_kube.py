"""As much of a Kubernetes API server as a leader needs, over HTTPS on loopback."""

import asyncio
import datetime as dt
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from streamer.fleet.kube_api import MERGE_PATCH, InCluster

PODS = "/api/v1/namespaces/masks/pods"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/masks/leases"
COST = "controller.kubernetes.io/pod-deletion-cost"
Object = dict[str, object]


class FakeKube:
    def __init__(self) -> None:
        self.pods: dict[str, Object] = {}
        self.leases: dict[str, Object] = {}
        self.token = "token-1"
        self.asked: list[tuple[str, str]] = []
        """Methods and paths."""
        self.queries: list[dict[str, str]] = []
        self.refusals: dict[str, tuple[int, dict[str, str]]] = {}
        """By method: the status and headers that all its requests get."""
        self._version = 0

    def add_pod(self, name: str, address: str, cost: str | None = None, **metadata: str) -> None:
        annotations = {} if cost is None else {"annotations": {COST: cost}}
        status = {"podIP": address} if address else {}
        self.pods[name] = {"metadata": {"name": name, **annotations, **metadata}, "status": status}

    @property
    def costs(self) -> dict[str, str]:
        marks = {n: pod["metadata"].get("annotations", {}) for n, pod in self.pods.items()}
        return {name: mark[COST] for name, mark in marks.items() if COST in mark}

    @property
    def writes(self) -> int:
        return sum(method == "PATCH" for method, _ in self.asked)

    def app(self) -> Starlette:
        ways = [
            Route(PODS, self._list_pods),
            Route(PODS + "/{name}", self._patch_pod, methods=["PATCH"]),
            Route(LEASES, self._create_lease, methods=["POST"]),
            Route(LEASES + "/{name}", self._lease, methods=["GET", "PUT"]),
        ]
        return Starlette(routes=ways)

    def _refusal(self, request: Request) -> JSONResponse | None:
        self.asked.append((request.method, request.url.path))
        self.queries.append(dict(request.query_params))
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return JSONResponse({"reason": "Unauthorized"}, 401)
        if request.method in self.refusals:
            status, headers = self.refusals[request.method]
            return JSONResponse({"reason": "Refused"}, status, headers)
        return None

    async def _list_pods(self, request: Request) -> JSONResponse:
        items = list(self.pods.values())
        return self._refusal(request) or JSONResponse({"kind": "PodList", "items": items})

    async def _patch_pod(self, request: Request) -> JSONResponse:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        assert request.headers["content-type"] == MERGE_PATCH
        pod = self.pods[request.path_params["name"]]
        change = (await request.json())["metadata"]
        assert set(change) == {"annotations"}
        assert all(isinstance(text, str) for text in change["annotations"].values())
        pod["metadata"].setdefault("annotations", {}).update(change["annotations"])
        return JSONResponse(pod)

    async def _create_lease(self, request: Request) -> JSONResponse:
        refusal, made = self._refusal(request), await request.json()
        if refusal is None and made["metadata"]["name"] in self.leases:
            refusal = JSONResponse({"reason": "AlreadyExists"}, 409)
        return refusal or JSONResponse(self._keep(made), 201)

    async def _lease(self, request: Request) -> JSONResponse:
        refusal, kept = self._refusal(request), self.leases.get(request.path_params["name"])
        if refusal is not None or kept is None:
            return refusal or JSONResponse({"reason": "NotFound"}, 404)
        if request.method == "GET":
            return JSONResponse(kept)
        written = await request.json()
        version = kept["metadata"]["resourceVersion"]
        if written["metadata"].get("resourceVersion") != version:
            return JSONResponse({"reason": "Conflict"}, 409)
        return JSONResponse(self._keep(written))

    def _keep(self, lease: Object) -> Object:
        self._version += 1
        lease["metadata"]["resourceVersion"] = str(self._version)
        self.leases[lease["metadata"]["name"]] = lease
        return lease


@asynccontextmanager
async def serving_kube(kube: FakeKube, folder: Path) -> AsyncIterator[InCluster]:
    """Where a pod of the namespace "masks" finds it."""
    key_file = certify(folder)
    (folder / "namespace").write_text("masks\n")
    (folder / "token").write_text(kube.token)
    files = {"ssl_certfile": str(folder / "ca.crt"), "ssl_keyfile": str(key_file)}
    config = uvicorn.Config(kube.app(), port=0, log_config=None, lifespan="off", **files)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        assert not running.done(), "the server did not start"
        await asyncio.sleep(0.01)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield InCluster(f"https://127.0.0.1:{port}", folder)
    finally:
        server.should_exit = True
        await running


def certify(folder: Path) -> Path:
    """ca.crt, which is the server's own certificate; returns its key's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kube")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, SHA256())
    )
    (folder / "ca.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(text)
    return folder / "key.pem"
