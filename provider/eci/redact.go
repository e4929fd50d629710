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
func (r CreateRequest) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.String()) }

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

// GoString is String, for %#v.
func (c RegistryCredential) GoString() string { return c.String() }

// String hides the value.
func (e EnvironmentVar) String() string { return "variable " + e.Key }

// GoString is String, for %#v.
func (e EnvironmentVar) GoString() string { return e.String() }

// String hides the content.
func (f ConfigFile) String() string { return "file " + f.Path }

// GoString is String, for %#v.
func (f ConfigFile) GoString() string { return f.String() }
