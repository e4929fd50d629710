package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/util/cert"

	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/kubetest"
)

func eciCommand(l *lab) *cobra.Command {
	var listen, scheme, caFile, config string
	var speed float64
	cloud := kubetest.Cloud{}
	cmd := &cobra.Command{
		Use:   "eci",
		Short: "Run the emulated ECI alone, for anyone who tests code against it with any SDK",
		Long: `Run the emulated ECI alone, for anyone who tests code against it with any SDK.
It prints one line when it listens. Point the SDK's endpoint there and use the access key.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if config != "" {
				raw, err := os.ReadFile(config)
				if err != nil {
					return fmt.Errorf("reading the emulator's settings: %w", err)
				}
				if err := json.Unmarshal(raw, &cloud); err != nil {
					return fmt.Errorf("reading the emulator's settings: %w", err)
				}
			}
			if speed <= 0 {
				return usageError{fmt.Errorf("--speed %g: want more than 0; 60 makes a minute of a second", speed)}
			}
			emulator := ecitest.New(ecitest.Options{
				Region: cloud.Region, AccessKeyID: cloud.AccessKeyID, AccessKeySecret: cloud.AccessKeySecret,
				VSwitches: cloud.VSwitches, Latency: cloud.Latency, Speed: speed,
				Timing: ecitest.Timing{Schedule: cloud.Scheduling, Pull: cloud.Starting},
			})
			return l.serveECI(cmd.Context(), emulator, listen, scheme, caFile)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&listen, "listen", "127.0.0.1:8443", "loopback address")
	flags.StringVar(&scheme, "scheme", "http", "http, or https with a certificate made for this run")
	flags.StringVar(&caFile, "ca-file", "", "with https: where to write the certificate that clients must trust")
	flags.StringVar(&cloud.AccessKeyID, "access-key-id", ecitest.DefaultAccessKeyID, "the one access key that is known")
	flags.StringVar(&cloud.AccessKeySecret, "access-key-secret", ecitest.DefaultAccessKeySecret, "its secret")
	flags.StringVar(&cloud.Region, "region", "cn-hangzhou", "the region that it plays")
	flags.Float64Var(&speed, "speed", 1, "emulated seconds in a real one")
	flags.StringVar(&config, "config", "", "file with these settings and vSwitches as JSON, as the lab writes it")
	return cmd
}

// serveECI listens until ctx ends.
func (l *lab) serveECI(ctx context.Context, emulator *ecitest.Emulator, listen, scheme, caFile string) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return usageError{fmt.Errorf("--listen %s: %w", listen, err)}
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return usageError{fmt.Errorf("--listen %s: the emulator listens on loopback only", listen)}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return usageError{fmt.Errorf("--listen %s: %q is no port", listen, port)}
	}
	if scheme != "http" && scheme != "https" {
		return usageError{fmt.Errorf("--scheme %s: want http or https", scheme)}
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listening on %s (choose another with --listen): %w", listen, err)
	}
	if scheme == "https" {
		certificate, key, err := cert.GenerateSelfSignedCertKey(host, []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"})
		if err != nil {
			return fmt.Errorf("making a certificate: %w", err)
		}
		if caFile != "" {
			if err := os.WriteFile(caFile, certificate, 0o644); err != nil {
				return fmt.Errorf("writing the certificate: %w", err)
			}
		}
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return fmt.Errorf("reading the certificate: %w", err)
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	}
	server := &http.Server{Handler: emulator, ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintf(l.out, "emulated ECI listens on %s://%s, region %s\n", scheme, listener.Addr(), emulator.Region())
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
