package eci

import (
	"encoding/json"
	"fmt"
	"slices"
)

// A selection is the parameters by which listings pick groups; all must match.
type selection struct {
	ContainerGroupIds                  string // a JSON list
	Tag                                []Tag
	VSwitchId, ZoneId, ResourceGroupId string
}

func (q *GroupQuery) selection() (selection, error) {
	s := selection{VSwitchId: q.VSwitchID, ZoneId: q.ZoneID, ResourceGroupId: q.ResourceGroupID, Tag: sortedTags(q.Tags)}
	if len(q.IDs) > 0 {
		ids, err := idList(q.IDs)
		if err != nil {
			return selection{}, err
		}
		s.ContainerGroupIds = ids
	}
	return s, nil
}

// idList is ids as the API takes them, at most maxIDs.
func idList(ids []string) (string, error) {
	if len(ids) > maxIDs {
		return "", fmt.Errorf("%d ids in one query: the API takes %d", len(ids), maxIDs)
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return "", fmt.Errorf("encoding ids: %w", err)
	}
	return string(list), nil
}

func sortedTags(tags map[string]string) []Tag {
	var keys []string
	for key := range tags {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var list []Tag
	for _, key := range keys {
		list = append(list, Tag{key, tags[key]})
	}
	return list
}

// paging is the parameters of a listing's page.
type paging struct {
	Limit     int
	NextToken string
}

func (p *paging) from(token string) { p.NextToken = token }

// The requests of the calls in client.go.

func (*CreateRequest) action() string { return "CreateContainerGroup" }

type deleteRequest struct {
	ContainerGroupId string
	Force            bool
}

func (*deleteRequest) action() string { return "DeleteContainerGroup" }

type restartRequest struct{ ContainerGroupId string }

func (*restartRequest) action() string { return "RestartContainerGroup" }

type groupsRequest struct {
	selection
	ContainerGroupName, Status, SecurityGroupId string
	WithEvent                                   bool
	paging
}

func (*groupsRequest) action() string { return "DescribeContainerGroups" }

type statusRequest struct {
	selection
	SinceSecond int
	paging
}

func (*statusRequest) action() string { return "DescribeContainerGroupStatus" }

type logRequest struct {
	ContainerGroupId, ContainerName string
	Tail                            *int
	SinceSeconds                    int
	StartTime                       string
	LimitBytes                      int
	Timestamps, LastTime            bool
}

func (*logRequest) action() string { return "DescribeContainerLog" }
