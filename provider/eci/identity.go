package eci

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// ManagedBy is the value of the ManagedBy tag of every group that ecideck-node creates.
const ManagedBy = "ecideck"

// Tag keys by which a group names its pod. ACK's own virtual nodes write the first, second,
// fourth and fifth; the UID and the attempt are ours.
const (
	TagManagedBy = "ManagedBy"
	TagClusterID = "ClusterId"
	TagNodeName  = "NodeName"
	TagNamespace = "NameSpace"
	TagPodName   = "PodName"
	TagPodUID    = "PodUID"
	TagAttempt   = "Attempt"
)

// Annotations on a pod that say which group runs it, with the names ACK's virtual nodes use.
const (
	AnnotationInstanceID   = "k8s.aliyun.com/eci-instance-id"
	AnnotationInstanceSpec = "k8s.aliyun.com/eci-instance-spec"
	AnnotationZone         = "k8s.aliyun.com/eci-instance-zone"
	// AnnotationAttempt counts the groups tried for this pod, from the second on; it is written
	// before the create, so that a process that dies in between repeats the same ClientToken.
	// Without it the first may have been tried.
	AnnotationAttempt = "ecideck.io/attempt"
)

// maxTagValue is the longest tag value ECI accepts.
const maxTagValue = 128

// An Identity says whose a group is.
type Identity struct {
	ManagedBy string
	ClusterID string // UID of the namespace kube-system; on ACK the cluster's own id
	NodeName  string
	Namespace string
	PodName   string
	PodUID    string
	Attempt   int // 0: the tag is missing
}

// Tags are the identity as tags. A value over the limit is replaced by TagValue's hash.
func (id Identity) Tags() map[string]string {
	tags := map[string]string{}
	for key, value := range map[string]string{
		TagManagedBy: id.ManagedBy, TagClusterID: id.ClusterID, TagNodeName: id.NodeName,
		TagNamespace: id.Namespace, TagPodName: id.PodName, TagPodUID: id.PodUID,
	} {
		if value != "" {
			tags[key] = TagValue(value)
		}
	}
	if id.Attempt > 0 {
		tags[TagAttempt] = strconv.Itoa(id.Attempt)
	}
	return tags
}

// IdentityOf reads the identity from a group's tags; what is missing is empty.
func IdentityOf(tags map[string]string) Identity {
	attempt, _ := strconv.Atoi(tags[TagAttempt]) // a foreign value counts as missing
	return Identity{
		ManagedBy: tags[TagManagedBy], ClusterID: tags[TagClusterID], NodeName: tags[TagNodeName],
		Namespace: tags[TagNamespace], PodName: tags[TagPodName], PodUID: tags[TagPodUID], Attempt: attempt,
	}
}

// TagValue is s, or where s is longer than a tag value may be, "sha256-" and its hash.
// Names are compared by their tag values, so a hashed one still matches its pod.
func TagValue(s string) string {
	if len(s) <= maxTagValue {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + hex.EncodeToString(sum[:])
}
