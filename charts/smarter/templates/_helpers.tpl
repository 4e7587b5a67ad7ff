{{- define "smarter.fullname" -}}
{{- /* 63 is the longest label; the suffixes of our objects need 12 of it. */ -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 51 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 51 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "smarter.selector" -}}
app.kubernetes.io/name: smarter-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "smarter.labels" -}}
{{ include "smarter.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: smarter
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "smarter.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}
