# What no object of the chart may be. `deny` has a line for each fault of the objects in input.
package chart

import rego.v1

pods := [object.union(one, {"pod": one.spec.template.spec}) | some one in input; one.kind == "Deployment"]

hooks := [object.union(one, {"pod": one.spec}) | some one in input; one.kind == "Pod"]

workloads := array.concat(pods, hooks)

containers contains found if {
	some one in workloads
	some container in one.pod.containers
	found := {"of": one, "container": container, "name": container.name}
}

containers contains found if {
	some one in workloads
	some container in object.get(one.pod, "initContainers", [])
	found := {"of": one, "container": container, "name": container.name}
}

# What a container says of itself, or its pod says for it.
said(found, key) := value if {
	value := found.container.securityContext[key]
} else := value if {
	value := found.of.pod.securityContext[key]
} else := null

deny contains sprintf("%s may run as root", [found.name]) if {
	some found in containers
	said(found, "runAsNonRoot") != true
}

deny contains sprintf("%s runs as root", [found.name]) if {
	some found in containers
	said(found, "runAsUser") == 0
}

deny contains sprintf("%s has no seccomp profile", [found.name]) if {
	some found in containers
	not has_seccomp(found)
}

has_seccomp(found) if {
	said(found, "seccompProfile").type in {"RuntimeDefault", "Localhost"}
}

deny contains sprintf("%s can gain privileges", [found.name]) if {
	some found in containers
	said(found, "allowPrivilegeEscalation") != false
}

deny contains sprintf("%s is privileged", [found.name]) if {
	some found in containers
	said(found, "privileged") == true
}

deny contains sprintf("%s keeps capabilities", [found.name]) if {
	some found in containers
	not drops_all(found)
}

drops_all(found) if said(found, "capabilities").drop == ["ALL"]

deny contains sprintf("%s adds capabilities", [found.name]) if {
	some found in containers
	count(said(found, "capabilities").add) > 0
}

deny contains sprintf("%s can write to its root", [found.name]) if {
	some found in containers
	said(found, "readOnlyRootFilesystem") != true
}

deny contains sprintf("%s has no limit of %s", [found.name, resource]) if {
	some found in containers
	some resource in ["cpu", "memory"]
	not found.container.resources.limits[resource]
}

deny contains sprintf("%s has no request of %s", [found.name, resource]) if {
	some found in containers
	some resource in ["cpu", "memory"]
	not found.container.resources.requests[resource]
}

deny contains sprintf("%s runs whatever %s is now", [found.name, found.container.image]) if {
	some found in containers
	not is_pinned(found.container.image)
}

is_pinned(image) if contains(image, "@sha256:")

is_pinned(image) if {
	parts := split(image, "/")
	[_, tag] := split(parts[count(parts) - 1], ":")
	tag != "latest"
}

deny contains sprintf("%s shares the node's %s", [one.metadata.name, key]) if {
	some one in workloads
	some key in ["hostPID", "hostIPC"]
	one.pod[key] == true
}

deny contains sprintf("%s mounts the node's %s", [one.metadata.name, volume.hostPath.path]) if {
	some one in workloads
	some volume in one.pod.volumes
	volume.hostPath
}

# https://kubernetes.io/docs/concepts/security/pod-security-standards/, as of Kubernetes 1.32.
safe_sysctls := {
	"kernel.shm_rmid_forced",
	"net.ipv4.ip_local_port_range",
	"net.ipv4.ip_local_reserved_ports",
	"net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.ping_group_range",
	"net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_keepalive_intvl",
	"net.ipv4.tcp_keepalive_probes",
	"net.ipv4.tcp_keepalive_time",
	"net.ipv4.tcp_rmem",
	"net.ipv4.tcp_syncookies",
	"net.ipv4.tcp_wmem",
}

sysctls_of(one) := object.get(object.get(one.pod, "securityContext", {}), "sysctls", [])

deny contains sprintf("%s sets what is not its own: sysctl %s", [one.metadata.name, found.name]) if {
	some one in workloads
	some found in sysctls_of(one)
	not found.name in safe_sysctls
}

deny contains sprintf("%s sets %s of the node", [one.metadata.name, found.name]) if {
	some one in workloads
	one.pod.hostNetwork == true
	some found in sysctls_of(one)
}

deny contains sprintf("%s may lose media ports to its own connections", [one.metadata.name]) if {
	some one in pods
	not one.pod.hostNetwork
	ports := media_ports(one)
	reserved := {found.value | some found in sysctls_of(one); found.name == "net.ipv4.ip_local_reserved_ports"}
	not ports in reserved
}

media_ports(one) := text if {
	some container in one.pod.containers
	some variable in container.env
	variable.name == "STREAMER_MEDIA_PORTS"
	[first, last] := json.unmarshal(variable.value)
	text := sprintf("%d-%d", [first, last])
}

deny contains sprintf("%s has a port of the node", [found.name]) if {
	some found in containers
	some port in object.get(found.container, "ports", [])
	port.hostPort
}

deny contains sprintf("%s is given a token that it does not ask for", [one.metadata.name]) if {
	some one in workloads
	one.pod.automountServiceAccountToken != false
}

deny contains sprintf("%s: secret %s stands in the object", [found.name, one.name]) if {
	some found in containers
	some one in object.get(found.container, "env", [])
	regex.match("SECRET|TOKEN$|PASSWORD|PUBLIC_KEY", one.name)
	one.value
}

deny contains sprintf("%s: probe is missing: %s", [found.name, probe]) if {
	some one in pods
	some found in containers
	found.of == one
	found.container in one.pod.containers
	some probe in ["startupProbe", "readinessProbe", "livenessProbe"]
	not found.container[probe]
}

deny contains sprintf("Role %s says *", [one.metadata.name]) if {
	some one in input
	one.kind == "Role"
	some rule in one.rules
	some key in ["apiGroups", "resources", "verbs"]
	"*" in rule[key]
}

deny contains sprintf("Role %s reads secrets", [one.metadata.name]) if {
	some one in input
	one.kind == "Role"
	some rule in one.rules
	"secrets" in rule.resources
}

deny contains sprintf("%s %s is the whole cluster's", [one.kind, one.metadata.name]) if {
	some one in input
	one.kind in {"ClusterRole", "ClusterRoleBinding"}
}

deny contains sprintf("%s %s names no namespace", [one.kind, one.metadata.name]) if {
	some one in input
	not one.metadata.namespace
}
