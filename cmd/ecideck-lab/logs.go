package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ecideck/ecideck/provider/kubetest"
)

func logsCommand(l *lab) *cobra.Command {
	return &cobra.Command{
		Use:   "logs [PART]",
		Short: "Print the output of one part, or name the parts",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			remote, err := kubetest.Find(l.name)
			if err != nil {
				return err
			}
			files, err := remote.LogFiles()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				for _, part := range slices.Sorted(maps.Keys(files)) {
					fmt.Fprintf(l.out, "%-15s %s\n", part, files[part])
				}
				return nil
			}
			file, ok := files[args[0]]
			if !ok {
				return usageError{fmt.Errorf("there is no part %q; the parts are %v", args[0], slices.Sorted(maps.Keys(files)))}
			}
			f, err := os.Open(file)
			if err != nil {
				return fmt.Errorf("opening the log of %s: %w", args[0], err)
			}
			defer f.Close()
			_, err = io.Copy(l.out, f)
			return err
		},
	}
}
