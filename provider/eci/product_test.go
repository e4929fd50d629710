package eci

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ecideck/ecideck/provider/eci/wire"
)

// hosts keeps the hosts that were called.
type hosts []string

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	*h = append(*h, r.URL.Scheme+"://"+r.URL.Host)
	w := httptest.NewRecorder()
	_, err := w.WriteString(`{"Code":"Success","Data":{"total":"7"}}`)
	return w.Result(), err
}

func TestOtherProductsAreCalledAtTheirOwnHosts(t *testing.T) {
	for endpoint, want := range map[string]string{
		"":                                 "https://business.aliyuncs.com",
		"eci-vpc.cn-hangzhou.aliyuncs.com": "https://business.aliyuncs.com", // where ECI alone is
		"http://127.0.0.1:4567":            "http://127.0.0.1:4567",         // an emulator is all of them
		"myaliyuncs.com":                   "https://myaliyuncs.com",
	} {
		var called hosts
		c, err := New(Options{Region: "cn-hangzhou", Endpoint: endpoint, AccessKeyID: "a", AccessKeySecret: "s", Transport: &called})
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			Data wire.Object[struct{ Total wire.Number }]
		}
		err = c.Call(t.Context(), Product{Name: "BssOpenApi", Version: "2017-12-14", Host: "business.aliyuncs.com"}, "DescribeInstanceBill", map[string]string{"BillingCycle": "2026-11"}, &out)
		if err != nil || out.Data.V.Total != 7 || len(called) != 1 || called[0] != want {
			t.Errorf("with endpoint %q: %v at %v, %v; want %s", endpoint, out, called, err, want)
		}
	}
	if err := cannedClient(t, "{}").Call(t.Context(), Product{Name: "Ecs"}, "DescribePrice", nil, &struct{}{}); err == nil {
		t.Error("a product without a host is called")
	}
}
