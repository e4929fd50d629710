package ecitest

import (
	"strconv"
	"time"
)

// subnetAddresses is how many addresses a vSwitch of this account has: those of a /24, less
// the four that the cloud keeps.
const subnetAddresses = 252

// describeVSwitches answers the account's vSwitches with the addresses that are free: those
// that no group has, and none where a fault took them.
// https://help.aliyun.com/zh/vpc/developer-reference/api-vpc-2016-04-28-describevswitches
func (e *Emulator) describeVSwitches(c *call, now time.Time) (any, *refusal) {
	page, size := 1, 10
	for name, to := range map[string]*int{"PageNumber": &page, "PageSize": &size} {
		if text := c.params[name]; text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 || name == "PageSize" && n > 50 {
				return nil, badRequest("InvalidParameter", "The parameter "+name+" is not in its range.")
			}
			*to = n
		}
	}
	used := map[string]int{}
	for _, g := range e.order {
		if !g.at(now, e.timing).status.Ended() {
			used[g.VSwitch]++
		}
	}
	rows := []map[string]any{}
	for _, id := range sortedKeys(e.options.VSwitches) {
		if wanted := c.params["VSwitchId"]; wanted != "" && wanted != id {
			continue
		}
		zone := e.options.VSwitches[id]
		free := max(0, subnetAddresses-used[id])
		if why, _ := e.stock(now, zone); why == lack(FaultNoIPs) {
			free = 0
		}
		rows = append(rows, map[string]any{"VSwitchId": id, "ZoneId": zone, "VpcId": vpcID, "Status": "Available", "AvailableIpAddressCount": free})
	}
	total := len(rows)
	rows = rows[min((page-1)*size, total):min(page*size, total)]
	return map[string]any{"RequestId": e.requestID(), "TotalCount": total, "PageNumber": page, "PageSize": size,
		"VSwitches": map[string]any{"VSwitch": rows}}, nil
}
