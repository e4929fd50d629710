package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
	"github.com/google/go-cmp/cmp"
)

func TestPrices(t *testing.T) {
	tests := []struct {
		name, text string
		want       fleet.PriceBook
		err        string
	}{
		{"an empty file", "", fleet.PriceBook{}, ""},
		{"another section alone", "theme: dark\n", fleet.PriceBook{}, ""},
		{"all of it", `prices:
  site: international
  discount: 0.85
  nodes: [{type: ecs.g7.xlarge, perHour: 0.2 USD}, {name: rack-*, perHour: 0.25 EUR}]
  perVCPU: 0.02 EUR
  perGiB: 0.003 EUR
`, fleet.PriceBook{Site: "international", Discount: 850, VCPU: money.PerHour(20_000, "EUR"), GiB: money.PerHour(3_000, "EUR"), Nodes: []fleet.NodePrice{
			{InstanceType: "ecs.g7.xlarge", Rate: money.PerHour(200_000, "USD")}, {Name: "rack-*", Rate: money.PerHour(250_000, "EUR")}}}, ""},
		{"a discount in percent", "prices: {discount: 15}\n", fleet.PriceBook{}, "0.85 for 15 % less"},
		{"no currency", "prices: {perVCPU: \"0.02\", perGiB: \"0.003\"}\n", fleet.PriceBook{}, "as 0.25 EUR"},
		{"one of the two", "prices: {perVCPU: 0.02 EUR}\n", fleet.PriceBook{}, "given together"},
		{"a misspelt setting", "prices: {perVcpus: 0.02 EUR}\n", fleet.PriceBook{}, "perVcpus"},
		{"a node without a price", "prices: {nodes: [{name: a}]}\n", fleet.PriceBook{}, "perHour is missing"},
		{"an unknown site", "prices: {site: mars}\n", fleet.PriceBook{}, "neither china nor international"},
		{"no YAML", "prices: [", fleet.PriceBook{}, "reading the config file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Prices(path)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if book, err := Prices(filepath.Join(t.TempDir(), "none")); err != nil || book.Discount != 0 {
		t.Errorf("no file: %+v, %v", book, err)
	}
}
