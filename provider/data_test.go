package provider

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
)

func TestATokenThatEndsWithoutRenewalIsKnown(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	hour, year := now.Add(defaultTokenSeconds*time.Second), now.AddDate(1, 0, 0)
	jwt := func(end time.Time) string {
		return "e30." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, end.Unix())) + ".c2ln"
	}
	for _, c := range []struct {
		name    string
		request tokenRequest
		token   string
		fixed   bool
		ends    time.Time
	}{
		{"the default one is extended to a year", tokenRequest{seconds: defaultTokenSeconds}, jwt(year), false, year},
		{"the extension is switched off", tokenRequest{seconds: defaultTokenSeconds}, jwt(hour), true, hour},
		{"another audience", tokenRequest{seconds: defaultTokenSeconds, audience: "vault"}, jwt(hour), true, hour},
		{"another lifetime", tokenRequest{seconds: 7200}, jwt(hour), true, hour},
		{"the API server's audience by its name", tokenRequest{seconds: defaultTokenSeconds, audience: "https://kubernetes.default.svc"}, jwt(year), false, year},
		{"another audience of a token that is no JWT", tokenRequest{seconds: defaultTokenSeconds, audience: "vault"}, "opaque", true, hour},
		{"another lifetime of a token that is no JWT", tokenRequest{seconds: 7200}, "opaque", true, hour},
		{"no JWT tells nothing", tokenRequest{seconds: defaultTokenSeconds}, "opaque", false, hour},
		{"nor does a broken one", tokenRequest{seconds: defaultTokenSeconds}, "a.%.c", false, hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := fakeapi.New()
			client.PrependReactor("create", "serviceaccounts", func(k8stesting.Action) (bool, runtime.Object, error) {
				return true, &authenticationv1.TokenRequest{Status: authenticationv1.TokenRequestStatus{Token: c.token, ExpirationTimestamp: metav1.NewTime(hour)}}, nil
			})
			got, err := newResolver(client).token(t.Context(), healthyPod("web"), c.request)
			if err != nil || got.fixed != c.fixed || !got.expires.Equal(c.ends) {
				t.Errorf("fixed %v, ends %v, %v", got.fixed, got.expires, err)
			}
		})
	}
}
