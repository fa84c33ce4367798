{{- define "streamer.resources" -}}
{{- $resources := deepCopy .Values.resources -}}
{{- if gt (int .Values.gpu.count) 0 -}}
{{- /* Devices are not overcommitted: the request is the limit. */ -}}
{{- $_ := set $resources "limits" (set ($resources.limits | default dict) .Values.gpu.resource (int .Values.gpu.count)) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{- /* With hostNetwork the network is the node's, and its sysctls: the API server refuses them in a pod. */ -}}
{{- define "streamer.podSecurityContext" -}}
{{- $context := deepCopy .Values.podSecurityContext -}}
{{- if and .Values.media.reservePorts (ne .Values.media.mode "hostNetwork") -}}
{{- $ports := printf "%d-%d" (int .Values.media.ports.first) (int .Values.media.ports.last) -}}
{{- $reserved := dict "name" "net.ipv4.ip_local_reserved_ports" "value" $ports -}}
{{- $_ := set $context "sysctls" (append ($context.sysctls | default list) $reserved) -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{- define "streamer.mounts" -}}
- name: tmp
  mountPath: /tmp
- name: cache
  mountPath: /cache
{{- end -}}

{{- /* A token for the service alone, in place of the automatic one, which every container would get. */ -}}
{{- define "streamer.tokenMount" -}}
- name: token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end -}}

{{- define "streamer.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 2Gi # what the compiler writes on its way
- name: cache
  {{- if eq .Values.cache.type "pvc" }}
  persistentVolumeClaim:
    claimName: {{ .Values.cache.existingClaim }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .Values.cache.sizeLimit }}
  {{- end }}
{{- if .Values.deletionCost.enabled }}
- name: token
  projected:
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items: [{key: ca.crt, path: ca.crt}]
      - downwardAPI:
          items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]
{{- end }}
{{- if eq .Values.weights.source "pvc" }}
- name: weights
  persistentVolumeClaim:
    claimName: {{ .Values.weights.existingClaim }}
    readOnly: true
{{- else if eq .Values.weights.source "imageVolume" }}
- name: weights
  image:
    reference: {{ .Values.weights.image }}
    pullPolicy: IfNotPresent
{{- end }}
{{- end -}}
