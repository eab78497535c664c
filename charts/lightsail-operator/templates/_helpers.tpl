{{- define "lightsail-operator.name" -}}
{{- .Values.nameOverride | default .Chart.Name }}
{{- end }}

{{/* Helm's usual names. _checks.tpl refuses those that do not fit. */}}
{{- define "lightsail-operator.fullname" -}}
{{- $name := include "lightsail-operator.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name }}
{{- end }}
{{- end }}

{{- define "lightsail-operator.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- define "lightsail-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "lightsail-operator.name" . | toYaml }}
app.kubernetes.io/instance: {{ .Release.Name | toYaml }}
{{- end }}

{{- define "lightsail-operator.ownLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "lightsail-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "lightsail-operator.labels" -}}
{{- include "lightsail-operator.ownLabels" . }}
{{- with include "lightsail-operator.map" .Values.commonLabels }}
{{ . }}
{{- end }}
{{- end }}

{{/* A map of the user's, as YAML. A later values file removes an entry of an earlier one with null,
     which Helm itself does only for entries of the chart. */}}
{{- define "lightsail-operator.map" -}}
{{- $map := deepCopy (. | default dict) }}
{{- include "lightsail-operator.dropNulls" $map }}
{{- if $map }}{{ toYaml $map }}{{ end }}
{{- end }}

{{- define "lightsail-operator.dropNulls" -}}
{{- range $key, $value := . }}
{{- if kindIs "invalid" $value }}{{ $_ := unset $ $key }}{{ end }}
{{- if kindIs "map" $value }}{{ include "lightsail-operator.dropNulls" $value }}{{ end }}
{{- end }}
{{- end }}

{{/* The chart's labels, overridden by the object's own. Takes the root context and the latter. */}}
{{- define "lightsail-operator.labelsWith" -}}
{{- $labels := include "lightsail-operator.labels" .root | fromYaml }}
{{- $own := include "lightsail-operator.map" .labels | fromYaml }}
{{- toYaml (mergeOverwrite $labels $own) }}
{{- end }}

{{- define "lightsail-operator.crds" -}}
{{- if .Values.crds.enabled }}
{{- $names := list "hostkeyresets" "lightsailkeypairs" }}
{{- if .Values.accounts.enabled }}{{ $names = append $names "lightsailaccounts" }}{{ end }}
{{- range $names }} {{ . }}.lightsail-operator.dev{{ end }}
{{- end }}
{{- end }}

{{/* With the CRDs that Helm would delete if the next upgrade left them out, for checkCRDs. */}}
{{- define "lightsail-operator.deploymentAnnotations" -}}
{{- $annotations := deepCopy (.Values.deploymentAnnotations | default dict) }}
{{- $crds := include "lightsail-operator.crds" . | trim }}
{{- if and $crds (not .Values.crds.keep) }}
{{- $_ := set $annotations "lightsail-operator.dev/crds-not-kept" $crds }}
{{- end }}
{{- include "lightsail-operator.map" $annotations }}
{{- end }}

{{- define "lightsail-operator.serviceAccountName" -}}
{{- $default := ternary (include "lightsail-operator.fullname" .) "default"
  .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default $default }}
{{- end }}

{{/* `global.imageRegistry` replaces the registry in the repository. That is its first part, if this
     has a dot or a port or is localhost. */}}
{{- define "lightsail-operator.image" -}}
{{- $repository := .Values.image.repository }}
{{- with (.Values.global | default dict).imageRegistry }}
{{- $parts := splitList "/" $repository }}
{{- if and (gt (len $parts) 1) (regexMatch "[.:]|^localhost$" (first $parts)) }}
{{- $parts = rest $parts }}
{{- end }}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (join "/" $parts) }}
{{- end }}
{{- if .Values.image.digest }}
{{- $repository }}@{{ .Values.image.digest }}
{{- else }}
{{- $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* The pull secrets for all charts and for this one, each as a name or as `{name: …}`. */}}
{{- define "lightsail-operator.imagePullSecrets" -}}
{{- $names := list }}
{{- $global := (.Values.global | default dict).imagePullSecrets | default list }}
{{- range concat $global (.Values.imagePullSecrets | default list) }}
{{- $map := kindIs "map" . | ternary . dict }}
{{- $names = append $names (kindIs "string" . | ternary . (get $map "name")) }}
{{- end }}
{{- range uniq $names }}
- name: {{ . | toYaml }}
{{- end }}
{{- end }}

{{/* The container's variables. Those in `extraEnv` replace the chart's own. */}}
{{- define "lightsail-operator.env" -}}
{{- $names := list }}
{{- range .Values.extraEnv }}{{ $names = append $names .name }}{{ end }}
{{- $all := list }}
{{- range include "lightsail-operator.ownEnv" . | fromYamlArray }}
{{- if not (has .name $names) }}{{ $all = append $all . }}{{ end }}
{{- end }}
{{- with concat $all (.Values.extraEnv | default list) }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- define "lightsail-operator.ownEnv" -}}
# Without this variable, a pod without credentials would use the role of its node.
- name: AWS_EC2_METADATA_DISABLED
  value: {{ not .Values.aws.instanceMetadata | quote }}
{{- with .Values.aws.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.aws.endpointURL }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.aws.existingSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: AWS_ACCESS_KEY_ID}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: AWS_SECRET_ACCESS_KEY}
- name: AWS_SESSION_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: AWS_SESSION_TOKEN, optional: true}
{{- end }}
{{- end }}

{{/* The port of the endpoint, unless the default NetworkPolicy allows it to everything. */}}
{{- define "lightsail-operator.endpointPort" -}}
{{- with .Values.aws.endpointURL }}
{{- $default := hasPrefix "http://" (lower .) | ternary "80" "443" }}
{{- $host := regexFind `^https?://[^/]*` . }}
{{- $port := regexFind `:[0-9]+$` $host | trimPrefix ":" | default $default }}
{{- if not (has $port (list "443" "6443")) }}{{ $port }}{{ end }}
{{- end }}
{{- end }}

{{/* A constraint without a labelSelector counts no pods at all, so it gets the chart's. */}}
{{- define "lightsail-operator.topologySpreadConstraints" -}}
{{- $selector := dict "matchLabels" (include "lightsail-operator.selectorLabels" . | fromYaml) }}
{{- $all := list }}
{{- range .Values.topologySpreadConstraints }}
{{- $constraint := deepCopy . }}
{{- if not .labelSelector }}{{ $_ := set $constraint "labelSelector" $selector }}{{ end }}
{{- $all = append $all $constraint }}
{{- end }}
{{- toYaml $all }}
{{- end }}

{{- define "lightsail-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "lightsail-operator.serviceAccountName" . | toYaml }}
  namespace: {{ include "lightsail-operator.namespace" . | toYaml }}
{{- end }}

{{/* Permissions to the objects and what they refer to, in the whole cluster or in each watched
     namespace. */}}
{{- define "lightsail-operator.rules" -}}
# Objects, with their finalizers and the mark of a reset.
- apiGroups: [lightsail-operator.dev]
  resources: [lightsailkeypairs, hostkeyresets]
  verbs: [get, list, watch, patch]
# Resets whose ttlSecondsAfterFinished has passed.
- apiGroups: [lightsail-operator.dev]
  resources: [hostkeyresets]
  verbs: [delete]
- apiGroups: [lightsail-operator.dev]
  resources: [lightsailkeypairs/status, hostkeyresets/status]
  verbs: [patch]
{{- if eq .Values.secrets.mode "full" }}
# Private keys of default and generated key pairs, and public keys in Secrets, by name only.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch]
{{- end }}
# To see whether a namespace is being deleted, and with it the Secret of a default key pair; and to
# read its labels, by which an account may allow it.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
# Public keys in ConfigMaps.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{/* Access to LightsailAccounts. These are cluster-scoped, so the permissions are for the whole
     cluster. */}}
{{- define "lightsail-operator.accountRules" -}}
# LightsailAccounts.
- apiGroups: [lightsail-operator.dev]
  resources: [lightsailaccounts]
  verbs: [get, list, watch]
{{- if .Values.accounts.primary }}
# Their finalizer and status, which only one operator of a cluster writes.
- apiGroups: [lightsail-operator.dev]
  resources: [lightsailaccounts]
  verbs: [patch]
- apiGroups: [lightsail-operator.dev]
  resources: [lightsailaccounts/status]
  verbs: [patch]
{{- end }}
{{- end }}

{{/* A Role and its binding to the ServiceAccount. Takes the root context, a name, a namespace and
     rules. */}}
{{- define "lightsail-operator.boundRole" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name | toYaml }}
  namespace: {{ .namespace | toYaml }}
  labels:
    {{- include "lightsail-operator.labels" .root | nindent 4 }}
rules:
{{ .rules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name | toYaml }}
  namespace: {{ .namespace | toYaml }}
  labels:
    {{- include "lightsail-operator.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name | toYaml }}
subjects:
{{ include "lightsail-operator.subjects" .root }}
{{- end }}
