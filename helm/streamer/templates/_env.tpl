{{- /* Environment of the service: STREAMER_*, as streamer/config.py reads them. */ -}}
{{- define "streamer.env" -}}
- name: STREAMER_HOST
  value: 0.0.0.0
- name: STREAMER_PORT
  value: "8080"
{{- with .Values.metrics.port }}
- name: STREAMER_METRICS_PORT
  value: {{ int . | quote }}
{{- end }}
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
# One address, the node's with hostNetwork: a session takes a port of each.
- name: STREAMER_MEDIA_ADDRESSES
  value: '["$(POD_IP)"]'
- name: STREAMER_MEDIA_PORTS
  value: '[{{ int .Values.media.ports.first }}, {{ int .Values.media.ports.last }}]'
# A whole number, rounded up: torch has no half a thread.
- name: STREAMER_THREADS
  valueFrom:
    resourceFieldRef:
      containerName: streamer
      resource: limits.cpu
- name: STREAMER_MODEL
  value: {{ .Values.model.name | quote }}
# Not auto: a pod whose GPU is lost has to fail, not to go on at a CPU's pace.
- name: STREAMER_DEVICE
  value: {{ ternary "cuda" "cpu" (gt (int .Values.gpu.count) 0) }}
- name: STREAMER_DTYPE
  value: {{ .Values.model.dtype | quote }}
- name: STREAMER_COMPILED_ROWS
  value: {{ int .Values.model.compiledRows | quote }}
{{- with .Values.model.imageSize }}
- name: STREAMER_IMAGE_SIZE
  value: {{ int . | quote }}
{{- end }}
{{- with include "streamer.checkpoint" . }}
- name: STREAMER_CHECKPOINT
  value: {{ . | quote }}
{{- end }}
- name: STREAMER_MAX_SESSIONS
  value: {{ int .Values.sessions.max | quote }}
{{- with .Values.sessions.stepBudgetMs }}
- name: STREAMER_STEP_BUDGET_MS
  value: {{ . | quote }}
{{- end }}
- name: STREAMER_RETRY_AFTER_S
  value: {{ int .Values.sessions.retryAfterSeconds | quote }}
- name: STREAMER_DRAIN_TIMEOUT_S
  value: {{ int .Values.drain.seconds | quote }}
- name: STREAMER_DRAIN_SPREAD_S
  value: {{ int .Values.drain.spreadSeconds | quote }}
- name: STREAMER_STOP_TIMEOUT_S
  value: {{ int .Values.drain.stopSeconds | quote }}
{{- with .Values.drain.url }}
- name: STREAMER_DRAIN_URL
  value: {{ . | quote }}
{{- end }}
{{- if .Values.deletionCost.enabled }}
- name: STREAMER_DELETION_COST_SELECTOR
  value: {{ printf "app.kubernetes.io/name=%s,app.kubernetes.io/instance=%s" .Chart.Name .Release.Name | quote }}
- name: STREAMER_DELETION_COST_LEASE
  value: {{ include "streamer.fullname" . }}
{{- end }}
{{ include "streamer.iceEnv" . }}
{{ include "streamer.secretEnv" . }}
{{- with .Values.peers.existingSecret }}
- name: STREAMER_PEER_SECRET
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $.Values.peers.key }}
- name: STREAMER_PEER_SERVICE
  value: {{ printf "%s-pods.%s.svc:8080" (include "streamer.fullname" $) $.Release.Namespace | quote }}
- name: STREAMER_PEER_ADDRESS
  value: $(POD_IP)
- name: STREAMER_PLACEMENT
  value: {{ $.Values.peers.placement }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: STREAMER_{{ upper $name }}
  value: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}
{{- end }}
- name: XDG_CACHE_HOME
  value: /cache
{{- end -}}

{{- define "streamer.iceEnv" -}}
{{- if has .Values.media.mode (list "podNetwork" "hostNetwork") -}}
# Where no NetworkPolicy holds, too. A relay, in the other modes, may well be near.
- name: STREAMER_BLOCKED_NETWORKS
  value: {{ .Values.networkPolicy.blockedCidrs | toJson | quote }}
{{ end -}}
{{- with .Values.media.publicAddress -}}
- name: STREAMER_MEDIA_PUBLIC_ADDRESS
  value: {{ . | quote }}
{{ end -}}
- name: STREAMER_ICE_SERVERS
  value: {{ .Values.media.iceServers | toJson | quote }}
# A relay of the pod's own costs an answer's time: only where nobody reaches the pod.
- name: STREAMER_USES_ICE_SERVERS
  value: {{ eq .Values.media.mode "turnOnly" | quote }}
{{- with .Values.media.turn.existingSecret }}
- name: STREAMER_TURN_SECRET
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $.Values.media.turn.key }}
- name: STREAMER_TURN_TTL_S
  value: {{ int $.Values.media.turn.ttlSeconds | quote }}
{{- end }}
{{- end -}}

{{- define "streamer.secretEnv" -}}
{{- if eq .Values.auth.mode "anonymous" -}}
- name: STREAMER_ALLOW_ANONYMOUS
  value: "true"
{{- else -}}
- name: {{ ternary "STREAMER_TOKEN_SECRET" "STREAMER_TOKEN_PUBLIC_KEY" (eq .Values.auth.mode "tokenSecret") }}
  valueFrom:
    secretKeyRef:
      name: {{ .Values.auth.existingSecret | quote }}
      key: {{ .Values.auth.key }}
{{- with .Values.auth.audience }}
- name: STREAMER_TOKEN_AUDIENCE
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- with .Values.resume.existingSecret }}
- name: STREAMER_RESUME_SECRET
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $.Values.resume.key }}
{{- end }}
{{- end -}}
