{{/*
What a selector asks for: list of the root context and the component's name. Those of the chart jupyterhub, because
a Deployment's selector cannot be changed, and a release may change from one chart to the other.
*/}}
{{- define "test.selector" -}}
app: jupyterhub
release: {{ (index . 0).Release.Name | quote }}
component: {{ index . 1 }}
{{- end }}

{{- define "test.labels" -}}
{{- $root := index . 0 -}}
{{ include "test.selector" . }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name ($root.Chart.Version | replace "+" "_") }}
app.kubernetes.io/name: jupyterhub
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* A text that stays as it is once it was made: the one of the Secret hub in the cluster, or a new one. */}}
{{- define "test.kept" -}}
{{- $found := lookup "v1" "Secret" (index . 0).Release.Namespace "hub" -}}
{{- $old := index ($found.data | default dict) (index . 1) -}}
{{- if $old -}}{{ $old | b64dec }}{{- else -}}{{ randAlphaNum 64 | sha256sum }}{{- end -}}
{{- end }}

{{/* Where pods of a component may go, by networkPolicy.egressAllowRules and .egress of its values. */}}
{{- define "test.egress" -}}
{{- $rules := .egressAllowRules -}}
{{- $private := list "10.0.0.0/8" "172.16.0.0/12" "192.168.0.0/16" -}}
{{- if or $rules.dnsPortsKubeSystemNamespace $rules.dnsPortsPrivateIPs }}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
  to:
    {{- if $rules.dnsPortsKubeSystemNamespace }}
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
    {{- end }}
    {{- if $rules.dnsPortsPrivateIPs }}
    {{- range $private }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
    {{- end }}
{{- end }}
{{- if $rules.nonPrivateIPs }}
- to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except: {{ append $private "169.254.169.254/32" | toJson }}
{{- end }}
{{- if $rules.privateIPs }}
- to:
    {{- range $private }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
{{- end }}
{{- with .egress }}
{{ toYaml . }}
{{- end }}
{{- end }}
