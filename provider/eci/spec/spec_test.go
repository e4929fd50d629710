package spec

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestRound(t *testing.T) {
	tests := []struct {
		name        string
		cpu, memory float64
		region      string
		spot        bool
		want        Spec
		wantErr     bool
	}{
		{name: "the vendor's example, where fine-grained sizes are sold", cpu: 7, memory: 13, region: "cn-hangzhou", want: Spec{8, 14}},
		{name: "the same where they are not", cpu: 7, memory: 13, region: "cn-hongkong", want: Spec{8, 16}},
		{name: "the vendor's example of a sidecar's quarter", cpu: 4.25, memory: 8.5, region: "cn-hangzhou", want: Spec{6, 10}},
		{name: "nothing asked for", region: "cn-hangzhou", want: Spec{2, 4}},
		{name: "a size that is sold stays", cpu: 0.25, memory: 0.5, region: "cn-hangzhou", want: Spec{0.25, 0.5}},
		{name: "memory alone", memory: 3, region: "cn-hangzhou", want: Spec{1, 4}},
		{name: "vCPU alone", cpu: 1, region: "cn-hangzhou", want: Spec{1, 2}},
		{name: "more memory than the vCPU come with", cpu: 0.5, memory: 16, region: "cn-hangzhou", want: Spec{2, 16}},
		{name: "spot has no fine-grained sizes", cpu: 7, memory: 13, region: "cn-hangzhou", spot: true, want: Spec{8, 16}},
		{name: "spot starts at two vCPU", cpu: 1, memory: 2, region: "cn-hangzhou", spot: true, wantErr: true},
		{name: "the largest", cpu: 64, memory: 512, region: "cn-hangzhou", want: Spec{64, 512}},
		{name: "above the largest", cpu: 65, memory: 1, region: "cn-hangzhou", wantErr: true},
		{name: "negative", cpu: -1, memory: 1, region: "cn-hangzhou", wantErr: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Round(test.cpu, test.memory, test.region, test.spot)
			if (err != nil) != test.wantErr || got != test.want {
				t.Errorf("Round(%g, %g) = %v, %v; want %v, error %v", test.cpu, test.memory, got, err, test.want, test.wantErr)
			}
		})
	}
}

func TestEverySizeThatIsSoldRoundsToItself(t *testing.T) {
	for _, region := range []string{"cn-hangzhou", "cn-hongkong"} {
		for _, spot := range []bool{false, true} {
			for _, s := range Specs(region, spot) {
				if got, err := Round(s.CPU, s.Memory, region, spot); err != nil || got != s {
					t.Errorf("Round(%v) in %s, spot %v = %v, %v", s, region, spot, got, err)
				}
			}
		}
	}
}

func TestStringIsTheAnnotationsForm(t *testing.T) {
	for s, want := range map[Spec]string{{2, 4}: "2.0-4.0Gi", {0.25, 0.5}: "0.25-0.5Gi"} {
		if got := s.String(); got != want {
			t.Errorf("%#v.String() = %q, want %q", s, got, want)
		}
	}
}

// The vendor's tables, in his own way of writing them: vCPU, then the GiB that they come with.
const (
	everywhere = `0.25:0.5,1 0.5:1,2 1:2,4,8 2:1,2,4,8,16 4:2,4,8,16,32 8:4,8,16,32,64 12:12,24,48,96 16:16,32,64,128
		24:24,48,96,192 32:32,64,128,256 52:96,192,384 64:128,256,512`
	fineGrained = `2:6,10,12,14 4:6,10,12,14,18,20,22,24,26,28,30
		6:6,8,10,12,14,16,18,20,22,24,26,28,30,32,34,36,38,40,42,44,46,48
		8:10,12,14,18,20,22,24,26,28,30,34,36,38,40,42,44,46,48,50,52,54,56,58,60,62`
	asSpot = `2:2,4,8,16 4:4,8,16,32 8:8,16,32,64 12:12,24,48,96 16:16,32,64,128 24:24,48,96,192 32:32,64,128,256
		52:96,192,384 64:128,256,512`
)

func table(t *testing.T, tables ...string) []string {
	t.Helper()
	var out []string
	for _, line := range strings.Fields(strings.Join(tables, " ")) {
		cpu, memories, _ := strings.Cut(line, ":")
		for memory := range strings.SplitSeq(memories, ",") {
			out = append(out, cpu+"/"+memory)
		}
	}
	slices.Sort(out)
	return out
}

func TestTheSizesAreTheVendorsTables(t *testing.T) {
	upTo8 := func(rows []string) []string {
		return slices.DeleteFunc(rows, func(s string) bool {
			var cpu float64
			if _, err := fmt.Sscanf(s, "%g/", &cpu); err != nil {
				t.Fatal(err)
			}
			return cpu > 8
		})
	}
	fine := []string{"cn-hangzhou", "cn-shanghai", "cn-qingdao", "cn-beijing", "cn-zhangjiakou", "cn-huhehaote", "cn-wulanchabu", "cn-shenzhen", "cn-heyuan",
		"cn-guangzhou", "cn-chengdu", "ap-southeast-1"}
	coarse := []string{"cn-hongkong", "cn-nanjing", "cn-fuzhou", "cn-wuhan-lr", "cn-zhengzhou-jva", "ap-northeast-1", "ap-southeast-5", "us-west-1", "eu-central-1", "cn-shanghai-finance-1"}
	for _, region := range append(slices.Clone(fine), coarse...) {
		want := table(t, everywhere)
		if slices.Contains(fine, region) {
			want = table(t, everywhere, fineGrained)
		}
		for category, want := range map[Category][]string{General: want, Economy: upTo8(slices.Clone(want)), Spot: table(t, asSpot), "cheap": nil} {
			var got []string
			for _, s := range SpecsOf(region, category) {
				got = append(got, fmt.Sprintf("%g/%g", s.CPU, s.Memory))
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s in %s: %v, want %v", category, region, got, want)
			}
		}
	}
}

func TestEveryRequestIsRoundedToTheSmallestSizeThatHoldsIt(t *testing.T) {
	for _, region := range []string{"cn-hangzhou", "cn-hongkong"} {
		for _, category := range []Category{General, Economy, Spot} {
			for cpu := 0.25; cpu <= 8; cpu += 0.25 {
				for memory := 0.5; memory <= 64; memory += 0.5 {
					got, err := RoundIn(cpu, memory, region, category)
					if category == Spot && cpu < 2 {
						if err == nil {
							t.Fatalf("%g vCPU as spot become %v", cpu, got)
						}
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					if got.CPU < cpu || got.Memory < memory {
						t.Fatalf("%g vCPU and %g GiB become %v", cpu, memory, got)
					}
					for _, s := range SpecsOf(region, category) {
						if s.CPU >= cpu && s.Memory >= memory && (s.CPU < got.CPU || s.CPU == got.CPU && s.Memory < got.Memory) {
							t.Fatalf("%g vCPU and %g GiB become %v in %s, though %v holds them", cpu, memory, got, region, s)
						}
					}
				}
			}
		}
	}
}

func TestCategoriesHaveLimits(t *testing.T) {
	if got, err := RoundIn(7, 13, "cn-hangzhou", Economy); err != nil || got != (Spec{8, 14}) {
		t.Errorf("economy: %v, %v", got, err)
	}
	if _, err := RoundIn(9, 13, "cn-hangzhou", Economy); err == nil || !strings.Contains(err.Error(), "largest are 8 vCPU and 64 GiB") {
		t.Errorf("economy of 9 vCPU: %v", err)
	}
	if _, err := RoundIn(2, 4, "cn-hangzhou", "cheap"); err == nil {
		t.Error("a category that isn't is accepted")
	}
	for name, test := range map[string]struct {
		size     Spec
		category Category
		fails    bool
	}{
		"economy of a quarter": {Spec{0.25, 0.5}, Economy, false}, "economy of 8": {Spec{8, 16}, Economy, false}, "economy of 12": {Spec{12, 24}, Economy, true},
		"general of a half": {Spec{0.5, 1}, General, true}, "general of 1": {Spec{1, 2}, General, false}, "general of 64": {Spec{64, 512}, General, false},
	} {
		if err := CheckCategory(test.size, test.category); (err != nil) != test.fails {
			t.Errorf("%s: %v", name, err)
		}
	}
}
