package provider

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/ecideck/ecideck/provider/eci"
)

// Variables by which ECI orders containers: a larger number starts or ends first, from -1000
// to 1000, and a container starts when those before it are ready.
// https://help.aliyun.com/zh/eci/user-guide/set-container-start-and-exit-order
// https://help.aliyun.com/zh/eci/user-guide/declaring-container-types
const (
	variableLaunch = "ECI_CONTAINER_LAUNCH_PRIORITY"
	variableExit   = "ECI_CONTAINER_EXIT_PRIORITY"
	variableType   = "ECI_CONTAINER_TYPE"
	variableIgnore = "ECI_CONTAINER_IGNORE_EXIT_CODE"
)

// isSidecar tells that an init container runs beside the others to the pod's end.
func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// sidecar makes a container the i-th of n sidecars: they start one after the other before
// the pod's containers and end after them in the opposite order, and in a pod that ends they
// neither keep it from ending nor decide how. What the pod itself says of the order stays.
func sidecar(c *eci.ContainerRequest, i, n int, policy corev1.RestartPolicy) {
	set := func(name, value string) {
		if !slices.ContainsFunc(c.EnvironmentVar, func(v eci.EnvironmentVar) bool { return v.Key == name }) {
			c.EnvironmentVar = append(c.EnvironmentVar, eci.EnvironmentVar{Key: name, Value: &value})
		}
	}
	const step = 10 // room for a container that names its own place
	set(variableLaunch, strconv.Itoa(1000-step*i))
	set(variableExit, strconv.Itoa(step*(i-n)))
	if policy != corev1.RestartPolicyAlways {
		set(variableType, "sidecar")
		set(variableIgnore, "true")
	}
}
