package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci/spec"
	"github.com/ecideck/ecideck/provider/money"
	"sigs.k8s.io/yaml"
)

// ConfigFile is where the config file is looked for: $XDG_CONFIG_HOME/ecideck/config.yaml, or
// under ~/.config where that is not set. "" where there is no home.
func ConfigFile() string {
	base := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(base) { // the specification: relative ones are ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		base = filepath.Join(home, ".config")
	}
	return filepath.Join(base, "ecideck", "config.yaml")
}

// priceConfig is the section prices of the config file.
type priceConfig struct {
	Site     string  `json:"site"`     // china, international
	Discount float64 `json:"discount"` // what is paid of ECI's price: 0.85
	Nodes    []struct {
		Type    string `json:"type"`    // ecs.g7.xlarge
		Name    string `json:"name"`    // rack-*
		PerHour string `json:"perHour"` // 0.25 EUR
	} `json:"nodes"`
	PerVCPU string `json:"perVCPU"` // of nodes that have no other price
	PerGiB  string `json:"perGiB"`
}

// Prices reads the section prices of a config file. A file that does not exist says nothing.
func Prices(path string) (fleet.PriceBook, error) {
	raw, err := os.ReadFile(path)
	switch {
	case path == "", errors.Is(err, fs.ErrNotExist):
		return fleet.PriceBook{}, nil
	case err != nil:
		return fleet.PriceBook{}, fmt.Errorf("reading the config file: %w", err)
	}
	var file map[string]any // its other sections are not ours to judge
	if err := yaml.Unmarshal(raw, &file); err != nil {
		return fleet.PriceBook{}, fmt.Errorf("reading the config file %s: %w", path, err)
	}
	section, err := yaml.Marshal(file["prices"])
	if err != nil {
		return fleet.PriceBook{}, fmt.Errorf("reading the config file %s: %w", path, err)
	}
	var c priceConfig
	if err := yaml.UnmarshalStrict(section, &c); err != nil {
		return fleet.PriceBook{}, fmt.Errorf("the config file %s: prices: %w", path, err)
	}
	book, err := c.book()
	if err != nil {
		return fleet.PriceBook{}, fmt.Errorf("the config file %s: prices: %w", path, err)
	}
	return book, nil
}

func (c *priceConfig) book() (fleet.PriceBook, error) {
	b := fleet.PriceBook{Site: spec.Site(c.Site)}
	if c.Site != "" && b.Site != spec.ChinaSite && b.Site != spec.InternationalSite {
		return b, fmt.Errorf("site: %q is neither china nor international", c.Site)
	}
	if c.Discount < 0 || c.Discount > 1 || math.IsNaN(c.Discount) {
		return b, fmt.Errorf("discount: %v is not between 0 and 1: it is what is paid of the price, 0.85 for 15 %% less", c.Discount)
	}
	b.Discount = int64(math.Round(c.Discount * 1000))
	var err error
	if b.VCPU, err = hourly("perVCPU", c.PerVCPU); err != nil {
		return b, err
	}
	if b.GiB, err = hourly("perGiB", c.PerGiB); err != nil {
		return b, err
	}
	if b.VCPU.Currency != b.GiB.Currency {
		return b, errors.New("perVCPU and perGiB are given together, in one currency")
	}
	for i, n := range c.Nodes {
		if n.Type == "" && n.Name == "" {
			return b, fmt.Errorf("nodes[%d]: give a type or a name", i)
		}
		rate, err := hourly(fmt.Sprintf("nodes[%d].perHour", i), n.PerHour)
		if err != nil {
			return b, err
		}
		if !rate.Known() {
			return b, fmt.Errorf("nodes[%d]: perHour is missing", i)
		}
		b.Nodes = append(b.Nodes, fleet.NodePrice{InstanceType: n.Type, Name: n.Name, Rate: rate})
	}
	return b, nil
}

// hourly reads an amount and its currency: 0.25 EUR. "" is unknown.
func hourly(field, text string) (money.Rate, error) {
	if text == "" {
		return money.Rate{}, nil
	}
	amount, currency, _ := strings.Cut(strings.TrimSpace(text), " ")
	micros, err := money.ParseMicros(amount)
	if err != nil || micros < 0 || len(currency) != 3 || strings.ToUpper(currency) != currency {
		return money.Rate{}, fmt.Errorf("%s: %q is not an amount and its currency, as 0.25 EUR", field, text)
	}
	return money.PerHour(micros, money.Currency(currency)), nil
}
