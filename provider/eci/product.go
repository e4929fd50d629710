package eci

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ecideck/ecideck/provider/eci/wire"
)

// A Product is one of Alibaba Cloud's APIs that is called with the same keys and signature
// as ECI.
type Product struct {
	Name    string // Ecs
	Version string // 2014-05-26
	Host    string // of its public endpoint
}

func eciProduct() Product { return Product{Name: "Eci", Version: "2018-08-08"} }

// hostOf is where a product is called. An endpoint that is not the vendor's (an emulator, a
// gateway) is one for all products; the vendor's own endpoint of ECI knows ECI alone.
func (c *caller) hostOf(p Product) string {
	name, _, _ := strings.Cut(c.host, ":")
	if p.Host == "" || name != "aliyuncs.com" && !strings.HasSuffix(name, ".aliyuncs.com") {
		return c.host
	}
	return p.Host
}

// Region is the region that the client calls.
func (c *Client) Region() string { return c.region }

// Call makes one call that only reads, of another product than ECI, and decodes its answer
// into out, a pointer to a struct; package wire has the types for it. It is limited, retried
// and refused like the calls of ECI, and errors are *Error.
func (c *Client) Call(ctx context.Context, p Product, action string, params map[string]string, out any) error {
	if p.Name == "" || p.Version == "" || p.Host == "" {
		return errors.New("calling " + action + ": a product needs a name, a version and a host")
	}
	return c.send(ctx, &call{product: p, action: action, params: params}, true, func(status int, body []byte) error {
		if err := decodeAnswer(action, status, body, &head{}); err != nil {
			return err
		}
		if err := wire.Unmarshal(body, out); err != nil {
			return &Error{Action: action, Code: codeBadAnswer, HTTPStatus: status, Message: fmt.Sprintf("decoding the answer: %v", err), Err: err}
		}
		return nil
	})
}
