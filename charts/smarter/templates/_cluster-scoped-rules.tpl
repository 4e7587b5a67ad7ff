{{/* What the operator may do with objects that are in no namespace. */}}
{{- define "smarter.clusterScopedRules" }}
  # Who holds which host. Created by POST, so that of several that want a host one gets it.
  - apiGroups: [smarter.sh]
    resources: [hostclaims]
    verbs: [get, list, watch, create, update, delete]
  {{- if or .Values.hostPolicies .Values.watchNamespaces }}
  # The labels by which host policies select namespaces, and which of the watched ones exist.
  - apiGroups: [""]
    resources: [namespaces]
    verbs: [list, watch]
  {{- end }}
  # Which of the optional APIs exist.
  - apiGroups: [apiextensions.k8s.io]
    resources: [customresourcedefinitions]
    verbs: [list, watch]
{{- end }}
