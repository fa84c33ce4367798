{{- define "streamer.fullname" -}}
{{- $name := .Values.fullnameOverride | default (ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name)) -}}
{{- /* 63 is a label's limit; the longest suffix is -dashboard */ -}}
{{- $name | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{- define "streamer.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* Of the pod of `helm test`: no selector of the service's pods finds it. */ -}}
{{- define "streamer.testSelector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* A test needs a token, which it can make with a shared secret, and not with a public key. */ -}}
{{- define "streamer.hasTest" -}}
{{- if and .Values.tests.enabled (or .Values.tests.tokenSecret (ne .Values.auth.mode "publicKey")) -}}true{{- end -}}
{{- end -}}

{{- define "streamer.labels" -}}
{{ include "streamer.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "streamer.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "streamer.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "streamer.image" -}}
{{- $image := .Values.image -}}
{{- $name := required "image.repository is empty: no image is published. Build deploy/Containerfile and push it to a registry of yours" $image.repository -}}
{{- if $image.digest -}}
{{ $name }}@{{ $image.digest }}
{{- else -}}
{{- $built := printf "%s-%s" .Chart.AppVersion (ternary "cuda" "cpu" (gt (int .Values.gpu.count) 0)) -}}
{{ $name }}:{{ $image.tag | default $built }}
{{- end -}}
{{- end -}}

{{- /* What a pod may need from SIGTERM's announcement to its end; 15 s are for HTTP and the process to close. */ -}}
{{- define "streamer.neededGrace" -}}
{{- $drain := .Values.drain -}}
{{- add (int $drain.propagationSeconds) (int $drain.seconds) (int $drain.stopSeconds) 15 -}}
{{- end -}}

{{- define "streamer.grace" -}}
{{- .Values.terminationGracePeriodSeconds | default (include "streamer.neededGrace" .) -}}
{{- end -}}

{{- define "streamer.mostPods" -}}
{{- if eq .Values.autoscaling.mode "none" -}}
{{- .Values.replicaCount | default 1 -}}
{{- else -}}
{{- .Values.autoscaling.maxReplicas -}}
{{- end -}}
{{- end -}}

{{- /* Sessions a pod that an autoscaler aims at. */ -}}
{{- define "streamer.targetSessions" -}}
{{- mulf .Values.sessions.max .Values.autoscaling.target | toString -}}
{{- end -}}

{{- /* Whether media needs a TURN server. STUNner's is made by the chart. */ -}}
{{- define "streamer.hasTurn" -}}
{{- range .Values.media.iceServers -}}
{{- if hasPrefix "turn" .urls -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- /* What clients ask for. Not what pods ask each other, nor probes and metrics. Eight at most: a rule of an
HTTPRoute had no room for more before Gateway API 1.1. */ -}}
{{- define "streamer.publicPaths" -}}
{{- list "/web" "/config" "/offer" "/whip" "/whep" "/sessions" "/sources" | toJson -}}
{{- end -}}

{{- define "streamer.kubeVersion" -}}
{{- .Capabilities.KubeVersion.Version -}}
{{- end -}}

{{- define "streamer.checkpoint" -}}
{{- if has .Values.weights.source (list "pvc" "imageVolume") -}}
/weights/{{ .Values.weights.file }}
{{- end -}}
{{- end -}}
