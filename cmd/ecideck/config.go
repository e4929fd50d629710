package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/collectors/fleet"
)

// A settingItem is one setting that is in force, as programs read it.
type settingItem struct {
	Name  string  `json:"name"`
	Value *string `json:"value"` // null: nothing is set
	From  string  `json:"from"`  // a flag, an environment variable, a file, or default
}

func newConfig(o *options) *cobra.Command {
	output := "table"
	c := &cobra.Command{
		Use: "config", Short: "Print what is in force, and where it comes from",
		Long: `config prints the settings that are in force: flags beat the environment, that beats
the config file, and that the defaults. No call is made, and no secret is printed. A
config file that can't be read is the error, with the place.`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			known := false
			for _, f := range formats {
				known = known || f == output
			}
			if !known {
				return setup.Exit(setup.ExitUsage, fmt.Errorf("-o %s: choose one of %s", output, strings.Join(formats, ", ")))
			}
			settings, err := o.settings(c)
			t := table{kind: "SettingList", columns: []column{{"NAME", false}, {"VALUE", false}, {"FROM", false}}}
			for _, s := range settings {
				value := ""
				if s.Value != nil {
					value = *s.Value
				}
				t.rows = append(t.rows, row{item: s, cells: []string{s.Name, value, s.From}})
			}
			return errors.Join(t.write(o.out, output, true), err)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", output, strings.Join(formats, "|"))
	return c
}

// settings are what is in force. The error is the config file's; what is known without it is
// in the list.
func (o *options) settings(c *cobra.Command) ([]settingItem, error) {
	var out []settingItem
	add := func(name, value, from string) { out = append(out, settingItem{name, known(value), from}) }
	// from says where a value with a flag and variables comes from, and what it is.
	from := func(flag, value string, variables ...string) (string, string) {
		if c.Flags().Changed(flag) {
			return value, "--" + flag
		}
		for _, name := range variables {
			if v := os.Getenv(name); v != "" {
				return v, name
			}
		}
		return value, "default"
	}
	loader := o.kube.ToRawKubeConfigLoader()
	value, where := from("kubeconfig", strings.Join(loader.ConfigAccess().GetLoadingPrecedence(), ":"), "KUBECONFIG")
	add("kubeconfig", value, where)
	raw, err := loader.RawConfig()
	inConfig := "kubeconfig"
	if err != nil {
		inConfig = "kubeconfig, which can't be read: " + err.Error()
	}
	pick := func(flag string, given *string, otherwise, place string) {
		if given != nil && *given != "" {
			add(flag, *given, "--"+flag)
			return
		}
		add(flag, otherwise, place)
	}
	pick("context", o.kube.Context, raw.CurrentContext, inConfig)
	namespace, _, _ := loader.Namespace() // an error is the kubeconfig's, and said above
	place := "default"
	if at := raw.Contexts[raw.CurrentContext]; at != nil && at.Namespace != "" {
		place = inConfig
	}
	pick("namespace", o.kube.Namespace, namespace, place)
	region, where := from("region", o.region, setup.EnvRegion, "ALIBABA_CLOUD_REGION_ID")
	add("region", region, where)
	endpoint, where := from("endpoint", cmp.Or(o.endpoint, "the region's"), setup.EnvEndpoint)
	add("endpoint", endpoint, where)
	add("credentials", credentials(), "the SDK's chain")
	add("state", setup.StateDir(""), xdg("XDG_STATE_HOME"))
	colours, where := "on", "default"
	if os.Getenv("NO_COLOR") != "" {
		colours, where = "off", "NO_COLOR"
	}
	add("colours", colours, where)
	file := setup.ConfigFile()
	if _, err := os.Stat(file); err != nil {
		add("config file", file, xdg("XDG_CONFIG_HOME")+"; there is none, so the defaults hold")
	} else {
		add("config file", file, xdg("XDG_CONFIG_HOME"))
	}
	book, err := setup.Prices(file)
	if err != nil {
		return out, err
	}
	return append(out, priceSettings(book)...), nil
}

// xdg says where a folder of the XDG base directories comes from.
func xdg(variable string) string {
	if os.Getenv(variable) != "" {
		return variable
	}
	return "default"
}

// credentials say which link of the chain comes first, never what it holds.
func credentials() string {
	for _, c := range []struct{ variable, text string }{
		{"ALIBABA_CLOUD_ACCESS_KEY_ID", "access key of the environment"},
		{"ALIBABA_CLOUD_OIDC_TOKEN_FILE", "OIDC (RRSA)"},
		{"ALIBABA_CLOUD_PROFILE", "CLI profile " + os.Getenv("ALIBABA_CLOUD_PROFILE")},
		{"ALIBABA_CLOUD_CREDENTIALS_FILE", "credentials file"},
		{"ALIBABA_CLOUD_ECS_METADATA", "instance role"},
	} {
		if os.Getenv(c.variable) != "" {
			return c.text
		}
	}
	return "CLI profile, credentials file or instance role, whichever is there"
}

// priceSettings are the section prices.
func priceSettings(book fleet.PriceBook) []settingItem {
	var out []settingItem
	add := func(name, value, otherwise string) {
		s := settingItem{Name: "prices." + name, Value: known(value), From: "config file"}
		if value == "" {
			s.Value, s.From = known(otherwise), "default"
		}
		out = append(out, s)
	}
	add("site", string(book.Site), "china")
	discount := ""
	if book.Discount > 0 {
		discount = fmt.Sprintf("%g", float64(book.Discount)/1000)
	}
	add("discount", discount, "1")
	vcpu, gib := "", ""
	if book.VCPU.Known() {
		vcpu, gib = book.VCPU.String(), book.GiB.String()
	}
	add("perVCPU", vcpu, "")
	add("perGiB", gib, "")
	for _, n := range book.Nodes {
		add("nodes "+cmp.Or(n.InstanceType, n.Name), n.Rate.String(), "")
	}
	return out
}
