{{- define "lightsail-operator.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Helm's usual names. 40 characters leave room for the suffixes below, and for what a Deployment
     adds to the names of pods. */}}
{{- define "lightsail-operator.fullname" -}}
{{- $name := include "lightsail-operator.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "lightsail-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "lightsail-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "lightsail-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "lightsail-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "lightsail-operator.serviceAccountName" -}}
{{- $default := ternary (include "lightsail-operator.fullname" .) "default"
  .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default $default }}
{{- end }}

{{- define "lightsail-operator.image" -}}
{{- .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "lightsail-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "lightsail-operator.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* What the operator does with its objects and what they refer to: in the whole cluster, or in
     each namespace that it watches. */}}
{{- define "lightsail-operator.rules" -}}
# The objects, live and by watch; their finalizers and the mark of a reset.
- apiGroups: [lightsail-operator.dev]
  resources: [lightsailkeypairs, hostkeyresets]
  verbs: [get, list, watch, patch]
# Resets whose ttlSecondsAfterFinished is over.
- apiGroups: [lightsail-operator.dev]
  resources: [hostkeyresets]
  verbs: [delete]
- apiGroups: [lightsail-operator.dev]
  resources: [lightsailkeypairs/status, hostkeyresets/status]
  verbs: [update]
{{- if eq .Values.secrets.mode "full" }}
# The private keys of default and generated key pairs, and public keys that stand in Secrets: by
# name only.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch]
# Whether the namespace is being deleted, and with it the Secret of a default key pair.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
{{- end }}
# Public keys that stand in ConfigMaps.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}
