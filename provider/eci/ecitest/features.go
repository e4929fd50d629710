package ecitest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci/spec"
)

// checkFeatures refuses what can't be combined, and what the account's network doesn't have.
func (e *Emulator) checkFeatures(c *call, g *group) *refusal {
	first := firstType(g.InstanceType)
	ecs := strings.HasPrefix(first, "ecs.")
	arm := c.params["CpuArchitecture"] == "ARM64"
	categories := c.list("ComputeCategory")
	if len(categories) > 0 {
		switch {
		case arm:
			return conflict("ComputeCategory", "the architecture ARM64")
		case ecs:
			return conflict("ComputeCategory", "an ECS instance type")
		}
		if refusal := checkCategories(categories, spec.Spec{CPU: g.CPU, Memory: g.Memory}, false); refusal != nil {
			return refusal
		}
		g.Economy = categories[0] == "economy"
	}
	if family, _, _ := strings.Cut(strings.TrimPrefix(first, "ecs."), "."); ecs && arm != strings.HasSuffix(family, "y") {
		return badRequest("InstanceTypeNotMatchCpuArch", "The instance type "+first+" is not of the specified CPU architecture.")
	}
	if n := len(strings.Split(g.InstanceType, ",")); n > 5 {
		return badRequest("InvalidParameter", "At most 5 instance types can be given.")
	}
	disks := 0
	for _, v := range g.Volumes {
		if v.Type == "DiskVolume" || v.Params["FlexVolume.Driver"] == "alicloud/disk" {
			disks++
		}
	}
	if disks > 6 {
		return badRequest("DiskNumber.LimitExceed", "A container group has at most 6 disks.")
	}
	return e.checkSecurityGroups(g.SecurityGroup)
}

// checkCategories refuses compute categories that don't have a size.
func checkCategories(categories []string, size spec.Spec, spot bool) *refusal {
	for _, category := range categories {
		switch {
		case category != "economy" && category != "general":
			return badRequest("InvalidParameter", "The parameter ComputeCategory must be economy or general.")
		case spot, category == "economy" && size.CPU > 8, category == "general" && size.CPU < 1:
			return badRequest("FeatureBasedConstraintConflict", "The compute category "+category+" can't be combined with the other parameters: economy has 0.25 to 8 vCPU, general 1 to 64, neither is sold as spot.")
		}
	}
	return nil
}

func (e *Emulator) checkSecurityGroups(list string) *refusal {
	if list == "" {
		return nil
	}
	ids := strings.Split(list, ",")
	if len(ids) > 5 {
		return badRequest("InvalidParameter", "At most 5 security groups can be given.")
	}
	if e.options.SecurityGroups == nil {
		return nil
	}
	for _, id := range ids {
		switch vpc, ok := e.options.SecurityGroups[id]; {
		case !ok:
			return &refusal{http.StatusNotFound, "InvalidSecurityGroupId.NotFound", "The specified security group " + id + " does not exist."}
		case vpc != "" && vpc != vpcID:
			return forbidden("OperationDenied.SecurityGroupMisMatch", "The security group "+id+" and the vSwitch are not in the same VPC.")
		}
	}
	return nil
}

// addresses gives the group those that were asked for, in the vSwitch that it has.
func (e *Emulator) addresses(c *call, g *group, now time.Time) *refusal {
	if ip := c.params["PrivateIpAddress"]; ip != "" {
		if slices.ContainsFunc(e.order, func(o *group) bool { return o.IP == ip && !o.at(now, e.timing).status.Ended() }) {
			return badRequest("PrivateIpAddress.Already.InUse", "The private address "+ip+" is in use.")
		}
		g.IP = ip
	}
	switch c.params["Ipv6AddressCount"] {
	case "", "0":
		return nil
	case "1":
	default:
		return badRequest("InvalidParameter", "The parameter Ipv6AddressCount can only be 1.")
	}
	if e.options.IPv6VSwitches != nil && !slices.Contains(e.options.IPv6VSwitches, g.VSwitch) {
		return badRequest("Ipv6AddressNotSupportVsw", "The vSwitch "+g.VSwitch+" has no IPv6 addresses.")
	}
	g.IPv6 = fmt.Sprintf("2408:4005:%x::%x", e.seq>>16, e.seq&0xffff+1)
	return nil
}
