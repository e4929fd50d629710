package setup

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/ecideck/ecideck/provider/eci"
)

// Cloud makes the ECI client of a region. An empty endpoint is the region's public one. It
// makes no call: wrong credentials show in the first one.
func Cloud(region, endpoint string, logger *slog.Logger) (*eci.Client, error) {
	if region == "" {
		return nil, errors.New("no region: set --region or ECIDECK_REGION (cn-hangzhou, …)")
	}
	client, err := eci.New(eci.Options{Region: region, Endpoint: endpoint, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("making the ECI client: %w", err)
	}
	return client, nil
}
