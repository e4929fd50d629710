// Package spec is the sizes that ECI sells, their list prices and ECI's limits, as data. A
// group's request is rounded up to one of the sizes, and the rounded size is what is paid.
//
// https://help.aliyun.com/zh/eci/user-guide/specify-the-number-of-vcpus-and-memory-size-to-create-an-elastic-container-instance
//
// Who calls it: the virtual node, to say before the call what a pod will cost, and the
// emulator. It calls nobody.
package spec

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
)

// A Spec is one size.
type Spec struct {
	CPU    float64 // vCPU
	Memory float64 // GiB
}

// String is the spec as annotations and InstanceType write it: 2.0-4.0Gi.
func (s Spec) String() string { return decimal(s.CPU) + "-" + decimal(s.Memory) + "Gi" }

func decimal(f float64) string {
	if f == math.Trunc(f) {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// Default is the size of a group that asks for nothing.
func Default() Spec { return Spec{CPU: 2, Memory: 4} }

// A row is the memory sizes, in GiB and ascending, that one number of vCPU comes with.
type row struct {
	cpu    float64
	memory []float64
}

// general is sold in every region.
func general() []row {
	return []row{
		{0.25, []float64{0.5, 1}},
		{0.5, []float64{1, 2}},
		{1, []float64{2, 4, 8}},
		{2, []float64{1, 2, 4, 8, 16}},
		{4, []float64{2, 4, 8, 16, 32}},
		{8, []float64{4, 8, 16, 32, 64}},
		{12, []float64{12, 24, 48, 96}},
		{16, []float64{16, 32, 64, 128}},
		{24, []float64{24, 48, 96, 192}},
		{32, []float64{32, 64, 128, 256}},
		{52, []float64{96, 192, 384}},
		{64, []float64{128, 256, 512}},
	}
}

// fine is sold in some regions besides, and not as spot instances.
func fine() []row {
	return []row{
		{2, []float64{6, 10, 12, 14}},
		{4, []float64{6, 10, 12, 14, 18, 20, 22, 24, 26, 28, 30}},
		{6, []float64{6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42, 44, 46, 48}},
		{8, []float64{10, 12, 14, 18, 20, 22, 24, 26, 28, 30, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62}},
	}
}

// spotRows are the sizes of spot instances.
func spotRows() []row {
	return []row{
		{2, []float64{2, 4, 8, 16}},
		{4, []float64{4, 8, 16, 32}},
		{8, []float64{8, 16, 32, 64}},
		{12, []float64{12, 24, 48, 96}},
		{16, []float64{16, 32, 64, 128}},
		{24, []float64{24, 48, 96, 192}},
		{32, []float64{32, 64, 128, 256}},
		{52, []float64{96, 192, 384}},
		{64, []float64{128, 256, 512}},
	}
}

// sellsFine reports that a region sells the fine-grained sizes.
func sellsFine(region string) bool {
	switch region {
	case "cn-hangzhou", "cn-shanghai", "cn-qingdao", "cn-beijing", "cn-zhangjiakou", "cn-huhehaote", "cn-wulanchabu",
		"cn-shenzhen", "cn-heyuan", "cn-guangzhou", "cn-chengdu", "ap-southeast-1":
		return true
	}
	return false
}

// sold are the sizes of each kind of region, smallest first: sorted once, since each pod of a
// plan or a bill is rounded to one.
var sold = sync.OnceValue(func() (all struct{ plain, fine, spot []Spec }) {
	sorted := func(rows []row) (specs []Spec) {
		for _, r := range rows {
			for _, memory := range r.memory {
				specs = append(specs, Spec{r.cpu, memory})
			}
		}
		slices.SortFunc(specs, func(a, b Spec) int { return cmp.Or(cmp.Compare(a.CPU, b.CPU), cmp.Compare(a.Memory, b.Memory)) })
		return slices.Clip(specs)
	}
	all.plain, all.fine, all.spot = sorted(general()), sorted(append(general(), fine()...)), sorted(spotRows())
	return all
})

// specs are Specs, which its caller must not change.
func specs(region string, spot bool) []Spec {
	switch {
	case spot:
		return sold().spot
	case sellsFine(region):
		return sold().fine
	}
	return sold().plain
}

// Specs are the sizes that a region sells, smallest first: by vCPU, then by memory.
func Specs(region string, spot bool) []Spec { return slices.Clone(specs(region, spot)) }

// SpecsOf are the sizes that a region sells in a category, smallest first. A category that
// doesn't exist has none.
func SpecsOf(region string, category Category) []Spec {
	switch category {
	case Spot:
		return Specs(region, true)
	case General:
		return Specs(region, false)
	case Economy:
		return slices.DeleteFunc(Specs(region, false), func(s Spec) bool { return CheckCategory(s, Economy) != nil })
	}
	return nil
}

// What is sold of a category that is asked for by its name (ComputeCategory), in vCPU.
// https://help.aliyun.com/document_detail/324246.html
const (
	minGeneralCPU = 1
	maxEconomyCPU = 8
)

// CheckCategory says why a size can't be asked for in a category by its name; the API then
// answers FeatureBasedConstraintConflict. A request that names no category may be smaller: it
// is sold and priced as General.
func CheckCategory(s Spec, category Category) error {
	switch {
	case category == Economy && s.CPU > maxEconomyCPU:
		return fmt.Errorf("the category economy has no more than %d vCPU, %g were asked for", maxEconomyCPU, s.CPU)
	case category == General && s.CPU < minGeneralCPU:
		return fmt.Errorf("the category general has no less than %d vCPU, %g were asked for", minGeneralCPU, s.CPU)
	}
	return nil
}

// Round is the size that a request for cpu vCPU and memory GiB becomes: the fewest vCPU
// that come with enough memory, and the least such memory. A zero is "not said"; two zeros
// are the Default. A request that no size holds, or one for less than 2 vCPU as a spot
// instance, is an error: the API refuses it too.
func Round(cpu, memory float64, region string, spot bool) (Spec, error) {
	if spot {
		return RoundIn(cpu, memory, region, Spot)
	}
	return RoundIn(cpu, memory, region, General)
}

// RoundIn is Round in a category; one of economy that its sizes don't hold is an error.
func RoundIn(cpu, memory float64, region string, category Category) (Spec, error) {
	switch category {
	case General, Economy, Spot:
	default:
		return Spec{}, fmt.Errorf("there is no category %q", category)
	}
	if cpu < 0 || memory < 0 || math.IsNaN(cpu) || math.IsNaN(memory) {
		return Spec{}, fmt.Errorf("a size of %g vCPU and %g GiB makes no sense", cpu, memory)
	}
	if cpu == 0 && memory == 0 {
		return Default(), nil
	}
	if category == Spot && cpu < 2 {
		return Spec{}, fmt.Errorf("spot instances start at 2 vCPU, %g were asked for", cpu)
	}
	largest := Spec{}
	for _, s := range specs(region, category == Spot) {
		if category == Economy && CheckCategory(s, Economy) != nil {
			continue
		}
		if s.CPU >= cpu && s.Memory >= memory {
			return s, nil
		}
		largest.CPU, largest.Memory = max(largest.CPU, s.CPU), max(largest.Memory, s.Memory)
	}
	return Spec{}, fmt.Errorf("no %s size in %s holds %g vCPU and %g GiB: the largest are %g vCPU and %g GiB", category, region, cpu, memory, largest.CPU, largest.Memory)
}
