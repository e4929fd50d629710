package setup

import (
	"log/slog"
	"strings"
	"testing"
)

func TestCloudSaysWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		name, region, id, secret, want string
	}{
		{name: "no region", want: "--region"},
		{name: "half a credential", region: "cn-hangzhou", id: "LTAI", want: "ALIBABA_CLOUD_ACCESS_KEY_SECRET"},
		{name: "all there", region: "cn-hangzhou", id: "LTAI", secret: "s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(EnvRegion, "")
			t.Setenv("ALIBABA_CLOUD_REGION_ID", "")
			t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", c.id)
			t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", c.secret)
			client, err := Cloud(c.region, "", slog.New(slog.DiscardHandler))
			if c.want == "" && (err != nil || client == nil) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v", err)
			}
		})
	}
}
