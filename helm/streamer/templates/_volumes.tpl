{{- define "streamer.resources" -}}
{{- $resources := deepCopy .Values.resources -}}
{{- if gt (int .Values.gpu.count) 0 -}}
{{- /* Devices are not overcommitted: the request is the limit. */ -}}
{{- $_ := set $resources "limits" (set ($resources.limits | default dict) .Values.gpu.resource (int .Values.gpu.count)) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{- define "streamer.mounts" -}}
- name: tmp
  mountPath: /tmp
- name: cache
  mountPath: /cache
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
