// Package lastwords keeps how pods on ECI ended: the last lines of their logs, exit codes,
// reasons and events. ECI forgets an ended group after an hour, sooner where many end, and a
// deleted one at once; Kubernetes forgets a deleted pod. What is kept here outlives both.
//
// It is kept in a Secret of the pod's own namespace, not in a ConfigMap: a log may hold what
// its readers alone should see, and of Kubernetes' own roles `view` reads ConfigMaps and logs,
// many a controller reads every ConfigMap of the cluster, but who reads a namespace's Secrets
// reads what its pods know anyway. It goes with the namespace, and it is bounded: a number of
// records, their bytes and their age, the oldest dropped first.
//
// Who calls it: provider writes, cmd/ecideck reads. What it calls: the Kubernetes API.
package lastwords
