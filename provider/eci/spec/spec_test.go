package spec

import "testing"

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
