package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"sigs.k8s.io/yaml"
)

// Production tells that a context is one where a slip costs: what changes something there is
// confirmed by typing a name. The config file's list `production` names such contexts, with
// the wildcards of path.Match; without it those with "prod" in their name are.
func Production(file, context string) (bool, error) {
	raw, err := os.ReadFile(file)
	switch {
	case file == "", errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, fmt.Errorf("reading the config file: %w", err)
	default:
		var c struct {
			Production *[]string `json:"production"`
		}
		if err := yaml.Unmarshal(raw, &c); err != nil {
			return false, fmt.Errorf("reading the config file %s: production: %w", file, err)
		}
		if c.Production != nil {
			for _, pattern := range *c.Production {
				is, err := path.Match(pattern, context)
				if err != nil {
					return false, fmt.Errorf("the config file %s: production: %q: %w", file, pattern, err)
				}
				if is {
					return true, nil
				}
			}
			return false, nil
		}
	}
	return strings.Contains(strings.ToLower(context), "prod"), nil
}
