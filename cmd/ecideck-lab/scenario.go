package main

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ecideck/ecideck/testdata"
)

func scenarioCommand(l *lab) *cobra.Command {
	parent := &cobra.Command{
		Use:   "scenario",
		Short: "The clusters and clouds that `up --scenario` knows",
		Args:  cobra.NoArgs,
	}
	parent.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "Name the scenarios, with a line each",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			files, err := fs.Glob(testdata.Scenarios, "scenarios/*.txtar")
			if err != nil {
				return fmt.Errorf("listing scenarios: %w", err)
			}
			for _, file := range files {
				s, err := loadScenario(strings.TrimSuffix(path.Base(file), ".txtar"))
				if err != nil {
					return err
				}
				fmt.Fprintf(l.out, "%-14s %s\n", s.Name, s.Description)
			}
			return nil
		},
	})
	return parent
}
