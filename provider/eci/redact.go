package eci

import (
	"fmt"
	"log/slog"
	"strings"
)

// LogValue is what may be logged of a request: names, images and sizes. Variables, config
// files and registry credentials hold secrets and never appear.
func (r CreateRequest) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("name", r.ContainerGroupName),
		slog.String("vswitch", r.VSwitchId),
		slog.Float64("cpu", r.Cpu),
		slog.Float64("memory", r.Memory),
		slog.String("images", strings.Join(r.images(), ",")),
	)
}

// String is LogValue's as text, so that no format verb prints a secret.
func (r CreateRequest) String() string {
	return fmt.Sprintf("group %s: %g vCPU, %g GiB, images %s", r.ContainerGroupName, r.Cpu, r.Memory, strings.Join(r.images(), ","))
}

// Format makes every verb print String, %#v and %+v too.
func (r CreateRequest) Format(s fmt.State, _ rune) { fmt.Fprint(s, r.String()) }

func (r CreateRequest) images() []string {
	var images []string
	for _, list := range [][]ContainerRequest{r.InitContainer, r.Container} {
		for _, c := range list {
			images = append(images, c.Image)
		}
	}
	return images
}

// String hides the user name and the password, wherever a credential is printed.
func (c RegistryCredential) String() string { return "credential for " + c.Server }

// Format makes every verb print String.
func (c RegistryCredential) Format(s fmt.State, _ rune) { fmt.Fprint(s, c.String()) }

// String hides the value.
func (e EnvironmentVar) String() string { return "variable " + e.Key }

// Format makes every verb print String.
func (e EnvironmentVar) Format(s fmt.State, _ rune) { fmt.Fprint(s, e.String()) }

// String hides the content.
func (f ConfigFile) String() string { return "file " + f.Path }

// Format makes every verb print String.
func (f ConfigFile) Format(s fmt.State, _ rune) { fmt.Fprint(s, f.String()) }

// String hides the value.
func (h HTTPHeader) String() string { return "header " + h.Name }

// Format makes every verb print String.
func (h HTTPHeader) Format(s fmt.State, _ rune) { fmt.Fprint(s, h.String()) }

// String hides the options, which may hold keys.
func (v FlexVolume) String() string { return "volume of " + v.Driver }

// Format makes every verb print String.
func (v FlexVolume) Format(s fmt.State, _ rune) { fmt.Fprint(s, v.String()) }
