package eci

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFreeAddressesAreThoseOfTheVSwitchesAskedFor(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       map[string]int
	}{
		{"as documented", `{"TotalCount":3,"VSwitches":{"VSwitch":[{"VSwitchId":"vsw-a","AvailableIpAddressCount":250},{"VSwitchId":"vsw-b","AvailableIpAddressCount":"0"},{"VSwitchId":"vsw-c","AvailableIpAddressCount":9}]}}`,
			map[string]int{"vsw-a": 250, "vsw-b": 0}},
		{"without the number, which is not zero", `{"VSwitches":{"VSwitch":[{"VSwitchId":"vsw-a"}]}}`, map[string]int{}},
		{"nothing, as without rights", `{"VSwitches":""}`, map[string]int{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := cannedClient(t, c.body).FreeAddresses(t.Context(), []string{"vsw-a", "vsw-b"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := cannedClient(t, `{"Code":"Forbidden.RAM","Message":"no"}`).FreeAddresses(t.Context(), []string{"vsw-a"}); !IsForbidden(err) {
		t.Errorf("a refusal became %v", err)
	}
}
