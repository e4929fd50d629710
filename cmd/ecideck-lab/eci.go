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
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/util/cert"

	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/kubetest"
)

// eciHelp is meant to be enough for somebody who never saw this repository.
const eciHelp = `Run the emulated ECI alone, for anyone who tests code against it with any SDK.

It speaks Alibaba Cloud's RPC protocol over GET and POST, with the signatures of the old SDKs
(HMAC-SHA1) and the new ones (ACS3-HMAC-SHA256), and checks them: use the access key that it
prints. Products and versions: ECI 2018-08-08 (every action), BssOpenApi 2017-12-14
(DescribeInstanceBill), ECS 2014-05-26 (DescribePrice, DescribeInstances,
DescribeSpotPriceHistory), STS 2015-04-01 (GetCallerIdentity). One region, one account.

With the vendor's SDKs, of any language:
  endpoint   127.0.0.1:8443 (the address of --listen, without a scheme)
  protocol   http (or https with --scheme https and the certificate of --ca-file)
  regionId   cn-hangzhou (--region)
  key        LTAIecitest / ecitest-secret (--access-key-id, --access-key-secret)

JavaScript (@alicloud/eci20180808):
  new Eci(new Config({accessKeyId: 'LTAIecitest', accessKeySecret: 'ecitest-secret',
    endpoint: '127.0.0.1:8443', protocol: 'http', regionId: 'cn-hangzhou'}))

A group goes through Scheduling and Pending to Running in about three seconds, or at once with
a high --speed. vSwitches: vsw-h in zone cn-hangzhou-h, vsw-i in cn-hangzhou-i (or in the zones
h and i of another --region); any security group. What a container does is chosen by the last
part of its image's name:
  serve      runs for ever and logs requests; so does every image that is not named here
  job        ends after SECONDS (10) with EXIT_CODE (0), both environment variables
  crashloop  fails after SECONDS (2)
  slowstart  is ready only after SECONDS (30)
  chatter    logs twenty lines a second
  missing    can't be pulled: its group stays Pending
LOAD=0.3 or LOAD=0s:0.1,5m:0.9,10m:0.1 is the share of its CPU that it uses; STOP_SECONDS how
long it takes to end. ECI_CONTAINER_TYPE=sidecar keeps no group from ending.

Faults, groups of nobody and ECS instances are set by an admin path of its own, with the
secret as a bearer token:
  curl -H "Authorization: Bearer ecitest-secret" http://127.0.0.1:8443/_ecitest/faults
    -d '{"kind":"nostock","zone":"cn-hangzhou-h","forSeconds":120}'
GET lists, POST adds, DELETE clears (?id=ID one of them). Other fields: action, group, rate
(0 to 1), count, async, delaySeconds, code, status, message. /_ecitest/groups lists, seeds and removes groups;
/_ecitest/loads (GET, POST) changes what running containers use:
  {"tags":{"NameSpace":"shop","PodName":"checkout-*"},"load":"0.9"}, and "" is their own again;
/_ecitest/ecs (GET, PUT) has the ECS instances, /_ecitest/routes (GET, PUT) what containers
reach: nslookup, nc, curl and wget in an exec answer by them. By default that is 172.16.0.0/12
and 100.64.0.0/10; [{"to":"10.0.0.1:6443","reachable":true}] adds an address.

--config FILE is JSON: region, accessKeyId, accessKeySecret, vSwitches {id: zone}, instanceTypes
{name: {cpu, memory, hour}}, ecsInstances, securityGroups {id: VPC, "" for its own},
ipv6VSwitches, routes, serviceCIDR (what a kube-proxy in a group brings).

Kinds of faults: ` + faultHelp + `

With --state FILE the account survives a restart, a killed process included.`

// faultHelp lists the kinds of faults and what they are of.
const faultHelp = `nostock, notonsale, noips (by zone); arrears, quota (of creates);
throttling, error500, unavailable, denied, emptylist, slow, repeatpage, timeout-after-accept, code
(of calls, by action; code refuses with any code, such as Forbidden.RiskControl); spotreclaim,
restart, maintenance (of groups); cachefails (of image caches); silentexec (exec's socket tells
no exit codes).`

func eciCommand(l *lab) *cobra.Command {
	var listen, scheme, caFile, config, state string
	var speed float64
	cloud := kubetest.Cloud{}
	var account struct { // what the config file can have beyond the lab's
		InstanceTypes  map[string]ecitest.InstanceType `json:"instanceTypes"`
		ECSInstances   []ecitest.ECSInstance           `json:"ecsInstances"`
		SecurityGroups map[string]string               `json:"securityGroups"`
		IPv6VSwitches  []string                        `json:"ipv6VSwitches"`
		Routes         []ecitest.Route                 `json:"routes"`
		ServiceCIDR    string                          `json:"serviceCIDR"`
	}
	cmd := &cobra.Command{
		Use:   "eci",
		Short: "Run the emulated ECI alone, for anyone who tests code against it with any SDK",
		Long:  eciHelp,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if config != "" {
				raw, err := os.ReadFile(config)
				if err != nil {
					return fmt.Errorf("reading the emulator's settings: %w", err)
				}
				if err := errors.Join(json.Unmarshal(raw, &cloud), json.Unmarshal(raw, &account)); err != nil {
					return fmt.Errorf("reading the emulator's settings: %w", err)
				}
			}
			if speed <= 0 {
				return usageError{fmt.Errorf("--speed %g: want more than 0; 60 makes a minute of a second", speed)}
			}
			emulator := ecitest.New(ecitest.Options{
				Region: cloud.Region, AccessKeyID: cloud.AccessKeyID, AccessKeySecret: cloud.AccessKeySecret, PlayedBy: cloud.PlayedBy,
				VSwitches: cloud.VSwitches, Latency: cloud.Latency, Speed: speed,
				InstanceTypes: account.InstanceTypes, SecurityGroups: account.SecurityGroups, IPv6VSwitches: account.IPv6VSwitches,
				ServiceCIDR: account.ServiceCIDR,
				Timing:      ecitest.Timing{Schedule: cloud.Scheduling, Pull: cloud.Starting, Sample: cloud.Sampling},
			})
			if err := errors.Join(emulator.SetECSInstances(account.ECSInstances), emulator.SetRoutes(account.Routes)); err != nil {
				return fmt.Errorf("reading the emulator's settings: %w", err)
			}
			if state != "" {
				if err := emulator.LoadFile(state); err != nil {
					return fmt.Errorf("%w (to begin without it, move the file away)", err)
				}
			}
			return l.serveECI(cmd.Context(), emulator, cloud, listen, scheme, caFile, state)
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
	flags.StringVar(&state, "state", "", "file that keeps the account: what was there goes on after a restart")
	flags.StringVar(&config, "config", "", "file with these settings and vSwitches as JSON, as the lab writes it")
	return cmd
}

// serveECI listens until ctx ends.
func (l *lab) serveECI(ctx context.Context, emulator *ecitest.Emulator, cloud kubetest.Cloud, listen, scheme, caFile, state string) error {
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
	l.sayHow(emulator, cloud, scheme, listener.Addr().String(), state)
	if state != "" {
		// Not the caller's context: the last calls are to be in the file too.
		keeping, end := context.WithCancel(context.WithoutCancel(ctx))
		var kept sync.WaitGroup
		kept.Go(func() {
			emulator.Keep(keeping, state, func(err error) { fmt.Fprintln(l.errOut, "ecideck-lab eci:", err) })
		})
		defer kept.Wait()
		defer end()
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// sayHow tells a person how to point an SDK here. It goes to the error stream: the one line
// on the output is for programs.
func (l *lab) sayHow(emulator *ecitest.Emulator, cloud kubetest.Cloud, scheme, address, state string) {
	fmt.Fprintf(l.errOut, "  SDKs       endpoint %s, protocol %s, region %s, access key %s (its secret: --access-key-secret)\n", address, scheme, emulator.Region(), cloud.AccessKeyID)
	fmt.Fprintf(l.errOut, "  vSwitches  %s\n", strings.Join(emulator.VSwitches(), ", "))
	fmt.Fprintf(l.errOut, "  faults     %s://%s/_ecitest/faults with Authorization: Bearer and the secret; kinds and more: ecideck-lab eci --help\n", scheme, address)
	if state != "" {
		fmt.Fprintf(l.errOut, "  state      %s, %d groups\n", state, len(emulator.Groups()))
	}
}
