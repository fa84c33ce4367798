{{- /* What a schema cannot say: values that contradict each other. Each message says what to do. */ -}}
{{- define "streamer.checks" -}}
{{- include "streamer.checkGrace" . -}}
{{- include "streamer.checkMedia" . -}}
{{- include "streamer.checkTurn" . -}}
{{- include "streamer.checkSecrets" . -}}
{{- include "streamer.checkWeights" . -}}
{{- include "streamer.checkRoute" . -}}
{{- include "streamer.checkDeletionCost" . -}}
{{- include "streamer.checkMediaWorkers" . -}}
{{- if and (eq .Values.autoscaling.mode "keda") (not .Values.autoscaling.prometheusAddress) -}}
{{- fail "autoscaling.prometheusAddress is empty: KEDA reads the demand there" -}}
{{- end -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) -}}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas" -}}
{{- end -}}
{{- end -}}

{{- define "streamer.checkGrace" -}}
{{- $needed := int (include "streamer.neededGrace" .) -}}
{{- if lt (int (include "streamer.grace" .)) $needed -}}
{{- fail (printf "terminationGracePeriodSeconds is %s: a drain takes up to %d s; leave it out, or lower drain.seconds" (include "streamer.grace" .) $needed) -}}
{{- end -}}
{{- end -}}

{{- define "streamer.checkMedia" -}}
{{- $ports := .Values.media.ports -}}
{{- $number := add1 (sub (int $ports.last) (int $ports.first)) -}}
{{- if lt (int $number) (int .Values.sessions.max) -}}
{{- fail (printf "media.ports has room for %d sessions, sessions.max is %d: each takes a port" (int $number) (int .Values.sessions.max)) -}}
{{- end -}}
{{- if and (eq .Values.media.mode "hostNetwork") .Values.podSecurityContext.sysctls -}}
{{- fail "podSecurityContext.sysctls: with media.mode hostNetwork they are the node's, which a pod may not set" -}}
{{- end -}}
{{- if and .Values.media.publicAddress (gt (int (include "streamer.mostPods" .)) 1) -}}
{{- fail "media.publicAddress belongs to one pod, and there may be more: use media.mode hostNetwork, stunner or turnOnly" -}}
{{- end -}}
{{- end -}}

{{- define "streamer.checkTurn" -}}
{{- $media := .Values.media -}}
{{- if and (has $media.mode (list "turnOnly" "stunner")) (not (include "streamer.hasTurn" .)) -}}
{{- fail (printf "media.mode %s needs a TURN server in media.iceServers: clients reach the pods through it" $media.mode) -}}
{{- end -}}
{{- range $media.iceServers -}}
{{- if and (hasPrefix "turn" .urls) (not $media.turn.existingSecret) -}}
{{- fail (printf "%s asks for a user: name the Secret that mints them in media.turn.existingSecret" .urls) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "streamer.checkSecrets" -}}
{{- if and (ne .Values.auth.mode "anonymous") (not .Values.auth.existingSecret) -}}
{{- fail "auth.existingSecret is empty. kubectl create secret generic streamer --from-literal=token-secret=$(openssl rand -hex 32), and name it here; or let everybody in with auth.mode anonymous" -}}
{{- end -}}
{{- end -}}

{{- define "streamer.checkWeights" -}}
{{- $weights := .Values.weights -}}
{{- if and (eq $weights.source "image") (ne .Values.model.name "nano") -}}
{{- fail (printf "model.name %s is not in the image: choose weights.source initDownload, pvc or imageVolume" .Values.model.name) -}}
{{- end -}}
{{- if and (include "streamer.checkpoint" .) (not $weights.file) -}}
{{- fail "weights.file is empty: the checkpoint's path in the volume" -}}
{{- end -}}
{{- if and (eq $weights.source "pvc") (not $weights.existingClaim) -}}
{{- fail "weights.existingClaim is empty: weights.source pvc reads it" -}}
{{- end -}}
{{- if and (eq $weights.source "imageVolume") (not $weights.image) -}}
{{- fail "weights.image is empty: weights.source imageVolume mounts it" -}}
{{- end -}}
{{- if and (eq $weights.source "imageVolume") (semverCompare "<1.31-0" (include "streamer.kubeVersion" .)) -}}
{{- fail (printf "weights.source imageVolume needs Kubernetes 1.31, this is %s: choose initDownload or pvc" (include "streamer.kubeVersion" .)) -}}
{{- end -}}
{{- if and (eq .Values.cache.type "pvc") (not .Values.cache.existingClaim) -}}
{{- fail "cache.existingClaim is empty: cache.type pvc mounts it" -}}
{{- end -}}
{{- end -}}

{{- define "streamer.checkRoute" -}}
{{- if and (eq .Values.route.type "httpRoute") (not .Values.route.parentRefs) -}}
{{- fail "route.parentRefs is empty: an HTTPRoute belongs to a Gateway" -}}
{{- end -}}
{{- if and (eq .Values.route.type "ingress") (not .Values.route.hostnames) -}}
{{- fail "route.hostnames is empty: an Ingress without a name takes the traffic of all" -}}
{{- end -}}
{{- end -}}

{{- define "streamer.checkDeletionCost" -}}
{{- if .Values.deletionCost.enabled -}}
{{- if not .Values.peers.existingSecret -}}
{{- fail "deletionCost.enabled needs peers.existingSecret: the pods are asked how full they are" -}}
{{- end -}}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) -}}
{{- fail "deletionCost.enabled needs a ServiceAccount of its own: not everybody's \"default\" should change pods" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "streamer.checkMediaWorkers" -}}
{{- if ge (int (.Values.settings.media_workers | default 0)) 2 -}}
{{- if or .Values.metrics.port .Values.peers.existingSecret -}}
{{- fail "settings.media_workers of 2 and more needs metrics.port null and no peers.existingSecret" -}}
{{- end -}}
{{- end -}}
{{- end -}}
