package ecitest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"
)

// A call is a request whose signature was verified.
type call struct {
	action  string
	version string // of the product's API
	// accessKeyID is who calls.
	accessKeyID string
	method      string
	socket      string            // where the caller finds the emulator, as a WebSocket's address
	params      map[string]string // without the protocol's own
	silent      bool              // a command's socket tells no exit code
}

// A refusal is an error answer.
type refusal struct {
	status        int
	code, message string
}

func badRequest(code, message string) *refusal {
	return &refusal{http.StatusBadRequest, code, message}
}

// refuse writes an error in the vendor's form. Every value is a string: the vendor's Go SDK
// panics on anything else.
func (e *Emulator) refuse(w http.ResponseWriter, r *refusal) {
	e.mu.Lock()
	id := e.requestID()
	e.mu.Unlock()
	writeJSON(w, r.status, map[string]string{
		"RequestId": id,
		"HostId":    "eci." + e.options.Region + ".aliyuncs.com",
		"Code":      r.code,
		"Message":   r.message,
		"Recommend": "https://api.aliyun.com/troubleshoot?q=" + url.QueryEscape(r.code) + "&product=Eci",
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(status)
	// A client that went away can't be told anything.
	_, _ = w.Write(body)
}

// parse reads a request's parameters from query and form and verifies its signature.
func (e *Emulator) parse(r *http.Request, body []byte) (*call, *refusal) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return nil, badRequest("UnsupportedHTTPMethod", "This http method is not supported.")
	}
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("InvalidParameter", "The query string can't be parsed: "+err.Error())
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, badRequest("InvalidParameter", "The form body can't be parsed: "+err.Error())
		}
		for name, values := range form {
			params[name] = append(params[name], values...)
		}
	}
	all := make(map[string]string, len(params))
	for name, values := range params {
		if len(values) > 1 {
			return nil, badRequest("InvalidParameter", "The parameter "+name+" is given more than once.")
		}
		all[name] = values[0]
	}
	if strings.HasPrefix(r.Header.Get("Authorization"), acs3Algorithm) {
		return e.verifyACS3(r, body, all)
	}
	return e.verifyV1(r.Method, all)
}

// isProtocolParam reports that a parameter is the RPC protocol's, which no action's schema
// has.
func isProtocolParam(name string) bool {
	switch name {
	case "Action", "Version", "Format", "Timestamp", "SignatureMethod", "SignatureVersion", "SignatureType",
		"SignatureNonce", "AccessKeyId", "SecurityToken", "BearerToken", "Signature":
		return true
	}
	return false
}

func newCall(action, version, method string, all map[string]string) *call {
	c := &call{action: action, version: version, method: method, accessKeyID: all["AccessKeyId"], params: map[string]string{}}
	for name, value := range all {
		if !isProtocolParam(name) {
			c.params[name] = value
		}
	}
	return c
}

// checkParams refuses what no version of the API knows. The real gateway ignores unknown
// parameters, so a misspelt one would be lost without a word: here it is loud.
func (e *Emulator) checkParams(c *call) *refusal {
	if c.method != http.MethodPost && (c.action == "DescribeContainerGroupStatus" || c.action == "DescribeContainerGroupEvents") {
		return badRequest("UnsupportedHTTPMethod", "This http method is not supported.")
	}
	names := make([]string, 0, len(c.params))
	for name := range c.params {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if value := c.params[name]; strings.HasPrefix(value, "<[]") && strings.HasSuffix(value, " Value>") {
			return badRequest("InvalidParameter", "The parameter "+name+" is the literal "+value+": the vendor's typed Go request printed a list instead of sending it.")
		}
		if err := e.schema.Check(c.action, name, c.params[name]); err != nil {
			return badRequest("InvalidParameter", err.Error()+".")
		}
		if r := checkLimits(name, c.params[name]); r != nil {
			return r
		}
	}
	switch region := c.params["RegionId"]; region {
	case e.options.Region:
	case "":
		if c.action == "GetCallerIdentity" || c.action == "DescribeInstanceBill" {
			return nil // an account, and its bill, are in no region
		}
		return badRequest("MissingParameter", "The input parameter RegionId that is mandatory for processing this request is not supplied.")
	default:
		return &refusal{http.StatusNotFound, "InvalidRegionId.NotFound", "The specified region " + region + " is not found; this is an emulator of " + e.options.Region + "."}
	}
	return nil
}

// perMinute is the API's limit for an action; 0: none is documented.
// https://help.aliyun.com/zh/eci/product-overview/limits
func perMinute(action string) int {
	switch action {
	case "DescribeContainerGroups", "DescribeContainerGroupMetric":
		return 2000
	case "CreateContainerGroup", "DeleteContainerGroup", "DescribeContainerGroupPrice":
		return 1000
	case "ExecContainerCommand", "DescribeContainerLog", "RestartContainerGroup", "UpdateContainerGroup", "DescribeMultiContainerGroupMetric":
		return 500
	case "CreateImageCache":
		return 200
	}
	return 0
}

// countRate counts calls of a calendar minute of real time, since callers pace themselves
// in real time at whatever speed the emulated clock runs.
func (e *Emulator) countRate(action string) *refusal {
	limit := perMinute(action)
	if limit == 0 || e.options.NoRateLimits {
		return nil
	}
	if minute := time.Now().Truncate(time.Minute); !minute.Equal(e.minute) {
		e.minute = minute
		clear(e.rates)
	}
	e.rates[action]++
	if e.rates[action] > limit {
		return badRequest("Throttling", "You have made too many requests within a short time; your request is denied due to request throttling.")
	}
	return nil
}

// list gathers the values of Name.1, Name.2, … in order.
func (c *call) list(name string) []string {
	var values []string
	for i := 1; ; i++ {
		value, ok := c.params[name+"."+strconv.Itoa(i)]
		if !ok {
			return values
		}
		values = append(values, value)
	}
}

// count is how many elements Name.N has: positions up to the last that has any parameter.
func (c *call) count(name string) int {
	most := 0
	for param := range c.params {
		rest, ok := strings.CutPrefix(param, name+".")
		if !ok {
			continue
		}
		position, _, _ := strings.Cut(rest, ".")
		if i, err := strconv.Atoi(position); err == nil {
			most = max(most, i)
		}
	}
	return most
}

func (c *call) number(name string) float64 {
	f, err := strconv.ParseFloat(c.params[name], 64)
	if err != nil {
		return 0 // absent: a value that is no number was refused by checkParams
	}
	return f
}

func (c *call) integer(name string) int  { return int(c.number(name)) }
func (c *call) boolean(name string) bool { return c.params[name] == "true" }

// tags reads Tag.N.
func (c *call) tags() []tag {
	var tags []tag
	for i := range c.count("Tag") {
		prefix := "Tag." + strconv.Itoa(i+1) + "."
		tags = append(tags, tag{c.params[prefix+"Key"], c.params[prefix+"Value"]})
	}
	return tags
}
