package ecitest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A tokenUse is what a ClientToken was used for: an action's tokens are its own.
type tokenUse struct {
	Answer json.RawMessage
	Params string // digest of the request
	At     time.Time
}

// tokenLife is how long a ClientToken is remembered.
const tokenLife = 24 * time.Hour

// reads reports that an action changes nothing that is kept.
func reads(action string) bool {
	return strings.HasPrefix(action, "Describe") || strings.HasPrefix(action, "List") || strings.HasPrefix(action, "Get") || action == "ExecContainerCommand"
}

// run calls a handler once for each ClientToken: the same request again gets the same answer,
// under a RequestId of its own, and another request with the same token is refused. What was
// refused left nothing to repeat, so its token is free again.
func (e *Emulator) run(h handler, c *call, now time.Time) (any, *refusal) {
	if reads(c.action) {
		return h(c, now)
	}
	token := c.params["ClientToken"]
	if len(token) > 64 {
		return nil, badRequest("InvalidParameter.LengthExceeded", "The parameter ClientToken has more than 64 characters.")
	}
	key, params := c.action+"/"+token, paramsDigest(c)
	if use, ok := e.tokens[key]; ok && token != "" && now.Sub(use.At) < tokenLife {
		if use.Params != params {
			return nil, &refusal{http.StatusForbidden, "IdempotentParameterMismatch", "The request uses the same client token as a previous, but non-identical request."}
		}
		answer := map[string]any{}
		if err := json.Unmarshal(use.Answer, &answer); err != nil {
			return nil, &refusal{http.StatusInternalServerError, "InternalError", "The answer that was kept can't be read: " + err.Error()}
		}
		answer["RequestId"] = e.requestID()
		return answer, nil
	}
	answer, refused := h(c, now)
	if refused != nil {
		return nil, refused
	}
	e.changed()
	if token != "" {
		kept, err := json.Marshal(answer)
		if err != nil {
			return nil, &refusal{http.StatusInternalServerError, "InternalError", "The answer can't be written: " + err.Error()}
		}
		e.tokens[key] = tokenUse{kept, params, now}
	}
	return answer, nil
}

func paramsDigest(c *call) string {
	var parts []any
	for _, name := range slices.Sorted(maps.Keys(c.params)) {
		parts = append(parts, strconv.Quote(name), strconv.Quote(c.params[name]))
	}
	return digest(parts...)
}
