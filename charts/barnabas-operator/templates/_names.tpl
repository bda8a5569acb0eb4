{{- define "barnabas.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The release's name when it says what it is, else both names. */}}
{{- define "barnabas.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "barnabas.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "barnabas.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "barnabas.selector" -}}
app.kubernetes.io/name: {{ include "barnabas.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "barnabas.labels" -}}
{{ include "barnabas.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "barnabas.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "barnabas.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "barnabas.image" -}}
{{- $values := index . 0 -}}{{- $chart := index . 1 -}}
{{- printf "%s:%s" $values.repository (default $chart.AppVersion $values.tag) -}}
{{- end -}}

{{/* What the operator does to the objects behind a cluster. Nothing is granted that it does not use. */}}
{{- define "barnabas.rules" -}}
- apiGroups: [barnabas.dev]
  resources: [kafkaclusters, consumergroups]
  verbs: [get, list, watch]
# Topics have a finalizer.
- apiGroups: [barnabas.dev]
  resources: [topics]
  verbs: [get, list, watch, patch]
- apiGroups: [barnabas.dev]
  resources: [kafkaclusters/status, topics/status, consumergroups/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [services, configmaps]
  verbs: [get, list, watch, create, patch, delete]
# Claims hold data: there is no right to delete them.
- apiGroups: [""]
  resources: [serviceaccounts, persistentvolumeclaims]
  verbs: [get, list, watch, create, patch]
# A pod is restarted by deleting it.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
