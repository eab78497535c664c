{{/* What the schema cannot check. Each message says what to write instead. */}}
{{- define "lightsail-operator.checks" -}}
{{- include "lightsail-operator.checkNulls" . }}
{{- include "lightsail-operator.checkNames" . }}
{{- include "lightsail-operator.checkCRDs" . }}
{{- include "lightsail-operator.checkLabels" . }}
{{- include "lightsail-operator.checkSyntax" . }}
{{- include "lightsail-operator.checkArguments" . }}
{{- include "lightsail-operator.checkEnvironment" . }}
{{- include "lightsail-operator.checkEndpoints" . }}
{{- if and (gt (int .Values.replicas) 1) (not .Values.leaderElection.enabled) }}
{{- fail (cat "replicas must be at most 1 with leaderElection.enabled=false:"
  "two must never act at the same time") }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.service.enabled) }}
{{- fail "serviceMonitor.enabled needs service.enabled: set it to true" }}
{{- end }}
{{- include "lightsail-operator.checkScrapes" . }}
{{- include "lightsail-operator.checkDisruptions" . }}
{{- $egress := concat (.Values.networkPolicy.egress | default list)
  (.Values.networkPolicy.extraEgress | default list) }}
{{- if and .Values.networkPolicy.enabled (not $egress) }}
{{- fail (cat "networkPolicy.egress and extraEgress are empty, so the pods could not connect:"
  "leave egress out for the default, or allow DNS, the API server and AWS") }}
{{- end }}
{{- $annotations := .Values.serviceAccount.annotations | default dict }}
{{- if and $annotations (not .Values.serviceAccount.create) }}
{{- fail (cat "serviceAccount.annotations need serviceAccount.create=true:"
  "annotate the ServiceAccount that you created, and leave them out") }}
{{- end }}
{{- if and .Values.rbac.create (not .Values.serviceAccount.create)
  (not .Values.serviceAccount.name) }}
{{- fail (cat "serviceAccount.create=false needs serviceAccount.name:"
  "otherwise, every pod that runs as the ServiceAccount default gets the operator's permissions;"
  "name the ServiceAccount that you created, or set rbac.create=false") }}
{{- end }}
{{- $role := "eks.amazonaws.com/role-arn" }}
{{- if and .Values.aws.existingSecret (get $annotations $role) }}
{{- fail (cat "aws.existingSecret and the annotation" $role "are both set,"
  "and the operator would use the access key: leave one of them out") }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if and (eq .name "AWS_ACCESS_KEY_ID") (get $annotations $role) }}
{{- fail (cat "extraEnv has AWS_ACCESS_KEY_ID, and serviceAccount.annotations has" $role
  "which the operator would not use: leave one of them out") }}
{{- end }}
{{- end }}
{{- if and .Values.accounts.unscopedNamespaces (not .Values.accounts.enabled) }}
{{- fail (cat "accounts.unscopedNamespaces needs accounts.enabled=true:"
  "without accounts, all namespaces use the operator's own credentials, so leave it out") }}
{{- end }}
{{- if and .Values.accounts.required (not .Values.accounts.enabled) }}
{{- fail (cat "accounts.required needs accounts.enabled=true:"
  "without accounts, no object could be reconciled") }}
{{- end }}
{{- $aggregated := .Values.roles.aggregate | values }}
{{- if and (has true $aggregated) (not .Values.roles.create) }}
{{- fail "roles.aggregate needs roles.create=true: set it, or leave roles.aggregate out" }}
{{- end }}
{{- $dns := .Values.dnsConfig | default dict }}
{{- if and (eq (toString .Values.dnsPolicy) "None") (not $dns.nameservers) }}
{{- fail (cat "dnsPolicy None needs nameservers:"
  "write, for example, dnsConfig: {nameservers: [10.0.0.2]}") }}
{{- end }}
{{- end }}

{{/* Budgets that never let a pod be evicted. Kubernetes rounds percentages up. */}}
{{- define "lightsail-operator.checkDisruptions" -}}
{{- $replicas := int .Values.replicas }}
{{- with .Values.podDisruptionBudget }}
{{- $sets := not (has .minAvailable (list "" nil)) }}
{{- if and .enabled (not $sets) (regexMatch "^0+%?$" (toString .maxUnavailable)) }}
{{- fail (cat (printf "podDisruptionBudget.maxUnavailable is %v," .maxUnavailable)
  "which blocks the drain of a node: set it to 1 or more") }}
{{- end }}
{{- if and .enabled $sets (gt $replicas 0) }}
{{- $number := toString .minAvailable | trimSuffix "%" | int }}
{{- if kindIs "string" .minAvailable }}
{{- $number = div (add (mul $number $replicas) 99) 100 }}
{{- end }}
{{- if ge (int $number) $replicas }}
{{- fail (cat (printf "podDisruptionBudget.minAvailable is %v, and replicas is %d,"
  .minAvailable $replicas) "which blocks the drain of a node: lower it, or leave it out") }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Prometheus takes no such configuration, so its operator leaves the ServiceMonitor out. */}}
{{- define "lightsail-operator.checkScrapes" -}}
{{- with .Values.serviceMonitor }}
{{- if and .enabled .scrapeTimeout (not .interval) }}
{{- fail (cat "serviceMonitor.scrapeTimeout needs serviceMonitor.interval:"
  "set an interval that is at least as long") }}
{{- end }}
{{- if and .enabled .interval .scrapeTimeout }}
{{- $interval := include "lightsail-operator.milliseconds" .interval | int64 }}
{{- if gt (include "lightsail-operator.milliseconds" .scrapeTimeout | int64) $interval }}
{{- fail (cat (printf "serviceMonitor.scrapeTimeout is %s, and interval is %s:"
  .scrapeTimeout .interval) "set a scrapeTimeout of at most the interval") }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "lightsail-operator.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 }}
{{- $sum := 0 }}
{{- range regexFindAll "[0-9]+[a-z]+" . -1 }}
{{- $digits := regexFind "^[0-9]+" . }}
{{- /* As an integer, a number with a leading zero is octal. */}}
{{- $number := float64 $digits | int64 }}
{{- $sum = add $sum (mul $number (get $units (trimPrefix $digits .))) }}
{{- end }}
{{- $sum }}
{{- end }}

{{/* A null value removes the default, and `watch:` with nothing below it is null by accident. The
     list leaves out lists, strings that may be empty, and the user's own maps, except those whose
     defaults limit and harden the pods. */}}
{{- define "lightsail-operator.checkNulls" -}}
{{- $paths := include "lightsail-operator.neverNull" . | trim | replace "\n" " " }}
{{- range $path := splitList " " $paths }}
{{- $at := $.Values }}
{{- $isThere := true }}
{{- range $part := splitList "." $path }}
{{- $isThere = and $isThere (kindIs "map" $at) (hasKey $at $part) }}
{{- if $isThere }}
{{- $at = get $at $part }}
{{- $isThere = not (kindIs "invalid" $at) }}
{{- end }}
{{- end }}
{{- if not $isThere }}
{{- fail (cat $path
  "is null or empty: leave the whole line out for the default, or give it a value;"
  "with --reuse-values, use --reset-then-reuse-values instead") }}
{{- end }}
{{- end }}
{{- end }}

{{- define "lightsail-operator.neverNull" -}}
image image.repository image.pullPolicy
replicas revisionHistoryLimit concurrency
leaderElection leaderElection.enabled leaderElection.createLease
watch secrets secrets.mode
aws aws.allowInsecureEndpoint aws.instanceMetadata
accounts accounts.enabled accounts.primary accounts.required
log log.filter log.format
crds crds.enabled crds.keep
serviceAccount serviceAccount.create rbac rbac.create
roles roles.create roles.aggregate roles.aggregate.reader
roles.aggregate.keyPairEditor roles.aggregate.hostKeyResetter
service service.enabled serviceMonitor serviceMonitor.enabled
prometheusRule prometheusRule.enabled dashboard dashboard.enabled
podDisruptionBudget podDisruptionBudget.enabled podDisruptionBudget.maxUnavailable
networkPolicy networkPolicy.enabled
resources podSecurityContext securityContext
{{- end }}

{{/* 40 characters leave room for the suffixes of roles, and for what a Deployment adds to the names
     of pods. The chart does not cut names, because another version could cut them differently. */}}
{{- define "lightsail-operator.checkNames" -}}
{{- $fullname := include "lightsail-operator.fullname" . }}
{{- $fitting := regexFind "[a-z]([-a-z0-9]{0,38}[a-z0-9])?"
  ($fullname | lower | replace "." "-" | replace "_" "-") | default .Chart.Name }}
{{- $remedy := print "set fullnameOverride, for example to " $fitting }}
{{- if gt (len $fullname) 40 }}
{{- $length := len $fullname }}
{{- fail (cat (printf "the name %s has %d characters, and at most 40 fit:" $fullname $length)
  $remedy) }}
{{- end }}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" $fullname) }}
{{- fail (cat (printf "the name %s has characters other than a-z, 0-9 and hyphens:" $fullname)
  $remedy) }}
{{- end }}
{{- /* Kubernetes 1.36 turns on the feature gate RelaxedServiceNameValidation. */}}
{{- $isOlder := semverCompare "<1.36.0-0" .Capabilities.KubeVersion.Version }}
{{- if and .Values.service.enabled $isOlder (regexMatch "^[0-9]" $fullname) }}
{{- fail (cat (printf "the name %s begins with a digit," $fullname)
  "which Kubernetes before 1.36 refuses for a Service:" $remedy) }}
{{- end }}
{{- end }}

{{/* Helm deletes CRDs that an upgrade leaves out, unless they are kept. This reads the release's
     Deployment, because whoever installs only namespaced objects may not read CRDs. Without a
     cluster, `lookup` finds nothing. */}}
{{- define "lightsail-operator.checkCRDs" -}}
{{- $crds := include "lightsail-operator.crds" . | splitList " " }}
{{- $deployment := lookup "apps/v1" "Deployment" (include "lightsail-operator.namespace" .)
  (include "lightsail-operator.fullname" .) }}
{{- $annotation := "lightsail-operator.dev/crds-not-kept" }}
{{- $lost := list }}
{{- range dig "metadata" "annotations" $annotation "" $deployment | splitList " " }}
{{- if not (has . $crds) }}{{ $lost = append $lost . }}{{ end }}
{{- end }}
{{- with compact $lost }}
{{- fail (cat "this upgrade leaves out CRDs that are not kept:" (printf "%s." (join ", " .))
  "Helm would delete them with all their objects (key pairs also in Lightsail):"
  "first upgrade with crds.keep=true, and change nothing else") }}
{{- end }}
{{- end }}

{{- define "lightsail-operator.checkLabels" -}}
{{- $own := include "lightsail-operator.ownLabels" . | fromYaml }}
{{- range $value := list "commonLabels" "podLabels" }}
{{- range $label, $_ := index $.Values $value }}
{{- if hasKey $own $label }}
{{- fail (cat (printf "%s has %s, which the chart sets itself:" $value $label)
  "leave it out; nameOverride changes app.kubernetes.io/name") }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "lightsail-operator.checkSyntax" -}}
{{- $level := "(?i:off|error|warn|info|debug|trace)" }}
{{- $directive := printf `(%s|[\w:-]+=%s|[\w:-]*\[[^\],]*\](=%s)?)` $level $level $level }}
{{- if not (regexMatch (printf "^%s(,%s)*$" $directive $directive) .Values.log.filter) }}
{{- $example := "info, or warn,lightsail_operator=debug" }}
{{- fail (printf "log.filter cannot be %q: write, for example, %s" .Values.log.filter $example) }}
{{- end }}
{{- $name := `[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?` }}
{{- $part := `[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?` }}
{{- $key := printf `(%s(\.%s)*/)?%s` $part $part $name }}
{{- $set := printf `\(\s*(%s)?\s*(,\s*(%s)?\s*)*\)` $name $name }}
{{- $requirement := printf `\s*(!\s*%s|%s(\s*(=|==|!=)\s*(%s)?|\s+(in|notin)\s*%s)?)\s*`
  $key $key $name $set }}
{{- with .Values.watch.labelSelector }}
{{- if not (regexMatch (printf "^%s(,%s)*$" $requirement $requirement) .) }}
{{- fail (cat (printf "watch.labelSelector cannot be %q:" .)
  "write, for example, team=a,tier in (x,y),!legacy") }}
{{- end }}
{{- end }}
{{- if regexMatch `\s|://` .Values.image.repository }}
{{- fail (cat (printf "image.repository is %q:" .Values.image.repository)
  "write the registry's host and the path, for example registry.example.com/lightsail-operator") }}
{{- end }}
{{- if regexMatch "@|:[^/]*$" .Values.image.repository }}
{{- fail (cat (printf "image.repository is %s:" .Values.image.repository)
  "put what follows the : into image.tag, and what follows the @ into image.digest") }}
{{- end }}
{{- end }}

{{/* Flags that the chart sets from values. The operator refuses a flag that is given twice. */}}
{{- define "lightsail-operator.flagsOfValues" -}}
--log: log.filter
--log-format: log.format
--watch-namespace: watch.namespaces
--watch-label-selector: watch.labelSelector
--accounts: accounts.enabled
--accounts-required: accounts.required
--unscoped-namespace: accounts.unscopedNamespaces
--primary: accounts.primary
--leader-election: leaderElection.enabled
--lease-name: fullnameOverride
--lease-namespace: namespaceOverride
--cluster-id: clusterID
--aws-account-id: aws.accountID
--allowed-regions: aws.allowedRegions
--allow-insecure-endpoints: aws.allowInsecureEndpoint
--concurrency: concurrency
{{- end }}

{{- define "lightsail-operator.checkArguments" -}}
{{- $flags := include "lightsail-operator.flagsOfValues" . | fromYaml }}
{{- $times := list "--lease-duration" "--aws-call-timeout" "--settle-time" "--missing-key-grace"
  "--source-grace" "--search-interval" }}
{{- $others := list "--bind-address" "--aws-ca-bundle" "--aws-role-arn"
  "--aws-web-identity-token-file" "--aws-role-session-name" }}
{{- $seen := list }}
{{- range .Values.extraArgs }}
{{- $flag := regexFind "^[^=\\s]+" . }}
{{- $value := trimPrefix (print $flag "=") . }}
{{- if hasKey $flags $flag }}
{{- fail (printf "extraArgs has %s: set %s instead" $flag (get $flags $flag)) }}
{{- end }}
{{- if not (or (has $flag $times) (has $flag $others)) }}
{{- fail (printf "extraArgs has %s, which the operator does not know: it takes %s" $flag
  (join ", " (concat $times $others))) }}
{{- end }}
{{- if not (hasPrefix (print $flag "=") .) }}
{{- fail (cat (printf "extraArgs has %s:" .)
  "write a flag and its value as one item, for example --settle-time=90s") }}
{{- end }}
{{- if has $flag $seen }}
{{- fail (printf "extraArgs has %s twice: leave one of them out" $flag) }}
{{- end }}
{{- $seen = append $seen $flag }}
{{- $isTime := regexMatch "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" $value }}
{{- if and (has $flag $times) (not (and $isTime (regexMatch "[1-9]" $value))) }}
{{- fail (printf "extraArgs has %s: write a time with its unit, for example %s=20s" . $flag) }}
{{- end }}
{{- if and (eq $flag "--bind-address")
  (not (regexMatch `^(0\.0\.0\.0|\[::\]):8080$` $value)) }}
{{- fail (cat (printf "extraArgs has %s: the probes and the Service use" .)
  "the pod's IP address and port 8080, so write --bind-address=0.0.0.0:8080 or =[::]:8080") }}
{{- end }}
{{- end }}
{{- end }}

{{- define "lightsail-operator.checkEnvironment" -}}
{{- $values := dict }}
{{- range $flag, $value := include "lightsail-operator.flagsOfValues" . | fromYaml }}
{{- $name := trimPrefix "--" $flag | replace "-" "_" | upper | print "LIGHTSAIL_OPERATOR_" }}
{{- $_ := set $values $name $value }}
{{- end }}
{{- $seen := list }}
{{- range .Values.extraEnv }}
{{- if hasKey $values .name }}
{{- fail (printf "extraEnv has %s: set %s instead" .name (get $values .name)) }}
{{- end }}
{{- /* Flags are checked where they are arguments. */}}
{{- if hasPrefix "LIGHTSAIL_OPERATOR_" .name }}
{{- fail (cat (printf "extraEnv has %s:" .name)
  "write the flag into extraArgs, for example --settle-time=90s") }}
{{- end }}
{{- $ofSecret := list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" "AWS_SESSION_TOKEN" }}
{{- if and $.Values.aws.existingSecret (has .name $ofSecret) }}
{{- fail (cat (printf "extraEnv has %s, which replaces the one in aws.existingSecret:" .name)
  "leave one of them out") }}
{{- end }}
{{- if has .name $seen }}
{{- fail (printf "extraEnv has %s twice: leave one of them out" .name) }}
{{- end }}
{{- $seen = append $seen .name }}
{{- end }}
{{- end }}

{{/* Plain http to another machine is for a simulator in the cluster. It needs both the endpoint and
     aws.allowInsecureEndpoint. */}}
{{- define "lightsail-operator.checkEndpoints" -}}
{{- $insecure := include "lightsail-operator.insecureEndpoints" . | trim }}
{{- $hidden := not (empty .Values.envFrom) }}
{{- range .Values.extraEnv }}
{{- if and (hasPrefix "AWS_ENDPOINT_URL" .name) .valueFrom }}{{ $hidden = true }}{{ end }}
{{- end }}
{{- if and $insecure (not .Values.aws.allowInsecureEndpoint) }}
{{- fail (cat (printf "the endpoint %s is plain http," $insecure)
  "so private keys can be read in transit: use https://,"
  "or set aws.allowInsecureEndpoint=true for a simulator in the cluster") }}
{{- end }}
{{- if and .Values.aws.allowInsecureEndpoint (not (or $insecure $hidden)) }}
{{- fail (cat "aws.allowInsecureEndpoint=true has no effect without a plain http endpoint:"
  "set aws.endpointURL, for example to http://lightsail-simulator.lightsail-simulator.svc:8080,"
  "or leave it out") }}
{{- end }}
{{- end }}

{{/* Endpoints on other machines that use plain http. */}}
{{- define "lightsail-operator.insecureEndpoints" -}}
{{- $urls := list }}
{{- range include "lightsail-operator.env" . | fromYamlArray }}
{{- if hasPrefix "AWS_ENDPOINT_URL" .name }}
{{- $urls = append $urls (.value | default "") }}
{{- end }}
{{- end }}
{{- range $urls }}
{{- $url := lower . }}
{{- if and (hasPrefix "http://" $url)
  (not (regexMatch `^http://(localhost|127\.[0-9.]+|\[::1\])(:|/|$)` $url)) }} {{ . }}{{ end }}
{{- end }}
{{- end }}
