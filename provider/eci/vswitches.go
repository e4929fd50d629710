package eci

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ecideck/ecideck/provider/eci/wire"
)

// vswitchesPerPage is the largest page of DescribeVSwitches.
const vswitchesPerPage = 50

// FreeAddresses is how many addresses of each vSwitch are free. A vSwitch that the answer
// does not have is not in the map: it does not exist, or the identity may not see it.
// https://help.aliyun.com/zh/vpc/developer-reference/api-vpc-2016-04-28-describevswitches
func (c *Client) FreeAddresses(ctx context.Context, vswitchIDs []string) (map[string]int, error) {
	free := map[string]int{}
	product := Product{Name: "Vpc", Version: "2016-04-28", Host: "vpc." + c.region + ".aliyuncs.com"}
	for page := 1; ; page++ {
		var answer struct {
			TotalCount wire.Number
			VSwitches  wire.Object[struct {
				VSwitch wire.List[struct {
					VSwitchId               wire.Text
					AvailableIpAddressCount wire.Text
				}]
			}]
		}
		params := map[string]string{"PageSize": strconv.Itoa(vswitchesPerPage), "PageNumber": strconv.Itoa(page)}
		if len(vswitchIDs) == 1 {
			params["VSwitchId"] = vswitchIDs[0]
		}
		if err := c.Call(ctx, product, "DescribeVSwitches", params, &answer); err != nil {
			return nil, fmt.Errorf("asking for the free addresses of %s: %w", strings.Join(vswitchIDs, ", "), err)
		}
		for _, row := range answer.VSwitches.V.VSwitch {
			// An answer without the number says nothing about it: that is not zero.
			if n, err := strconv.Atoi(string(row.AvailableIpAddressCount)); err == nil && slices.Contains(vswitchIDs, string(row.VSwitchId)) {
				free[string(row.VSwitchId)] = n
			}
		}
		if len(free) == len(vswitchIDs) || len(answer.VSwitches.V.VSwitch) < vswitchesPerPage {
			return free, nil
		}
	}
}
