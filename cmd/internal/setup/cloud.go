package setup

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/ecideck/ecideck/provider/eci"
)

// Environment variables that stand in for flags.
const (
	EnvRegion   = "ECIDECK_REGION"
	EnvEndpoint = "ECIDECK_ECI_ENDPOINT"
)

// Cloud makes the ECI client. An empty region or endpoint is read from the environment; an
// empty endpoint then means the region's public one. Credentials come from the SDK's chain:
// environment, OIDC (RRSA), CLI profile, credentials file, instance role; the chain is asked
// at the first call. The options are applied last.
func Cloud(region, endpoint string, logger *slog.Logger, options ...func(*eci.Options)) (*eci.Client, error) {
	region = cmp.Or(region, os.Getenv(EnvRegion), os.Getenv("ALIBABA_CLOUD_REGION_ID"))
	if region == "" {
		return nil, errors.New("no region: give --region, or set " + EnvRegion + ", for example to cn-hangzhou")
	}
	id, secret := os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_ID"), os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET")
	if (id == "") != (secret == "") {
		return nil, errors.New("half a credential: ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET must be set together, or neither")
	}
	o := eci.Options{Region: region, Endpoint: cmp.Or(endpoint, os.Getenv(EnvEndpoint)), Logger: logger}
	for _, option := range options {
		option(&o)
	}
	client, err := eci.New(o)
	if err != nil {
		return nil, fmt.Errorf("setting up the ECI client (credentials come from ALIBABA_CLOUD_ACCESS_KEY_ID and _SECRET, a role, or `aliyun configure`): %w", err)
	}
	return client, nil
}
