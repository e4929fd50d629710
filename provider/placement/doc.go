// Package placement decides whether a pod can run as an ECI container group, and says why
// not. Its table knows every field of a pod: a field runs (it arrives at ECI, or Kubernetes
// itself acts on it), runs with a warning (ECI has nothing for it and the pod keeps its
// meaning), or refuses the pod with a reason and a remedy. A test walks the types of the
// Kubernetes API and fails for a field that the table doesn't know, so nothing that a pod
// says can be dropped silently. ECI.md lists the table in words.
//
// Everything here is a pure function of a pod. Who calls it: the virtual node when it
// builds a request, and whoever asks beforehand (the burst controller, migrations, the
// console). It calls nobody.
package placement
