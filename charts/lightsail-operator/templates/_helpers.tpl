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
{{- end }}
{{- if or (eq .Values.secrets.mode "full") .Values.accounts.enabled }}
# Whether the namespace is being deleted, and with it the Secret of a default key pair; its labels,
# by which an account may allow it.
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

{{/* What the operator does with accounts, which are not in a namespace: always in the whole
     cluster. Not with the objects that use them. */}}
{{- define "lightsail-operator.accountRules" -}}
# The accounts, live and by watch.
- apiGroups: [lightsail-operator.dev]
  resources: [lightsailaccounts]
  verbs: [get, list, watch]
{{- if .Values.accounts.primary }}
# Their finalizer and status, which one operator of a cluster writes.
- apiGroups: [lightsail-operator.dev]
  resources: [lightsailaccounts]
  verbs: [patch]
- apiGroups: [lightsail-operator.dev]
  resources: [lightsailaccounts/status]
  verbs: [update]
{{- end }}
{{- end }}

{{/* A Role of the ServiceAccount, with its binding: of the root context, a name, a namespace and
     rules. */}}
{{- define "lightsail-operator.boundRole" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "lightsail-operator.labels" .root | nindent 4 }}
rules:
{{ .rules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "lightsail-operator.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
{{ include "lightsail-operator.subjects" .root }}
{{- end }}
