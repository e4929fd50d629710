package provider

// proxyName is the container that brings Services to a group.
const proxyName = "ecideck-kube-proxy"
