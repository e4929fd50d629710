// Package burst lets pods spill to ECI when real nodes are full, and only those that may: the
// marks on pods and namespaces are the ones that ACK's users already write, so that manifests
// move between ACK and clusters where ecideck-node runs.
//
// What to do with a pod is a pure function (Decide) of what is known about it; so are the
// guardrails (Limits) and the admission rule for pods that belong on ECI only (Admit). The
// Controller is the thin rest: it watches the pods that no node has yet, asks Decide, and
// adds the virtual node's toleration to a pod, or binds it. It keeps nothing that a successor
// would need: what it did is on the pods.
//
// Who calls it: ecideck-node runs the Controller and serves the webhook while it leads;
// `ecideck why` and `ecideck burst` ask the same functions about live objects.
package burst
