package eci

import (
	"bytes"
	"strings"

	"github.com/ecideck/ecideck/provider/eci/wire"
)

// The tolerant types of answers, under the names that this package's structs use.
type (
	text          = wire.Text
	number        = wire.Number
	integer       = wire.Integer
	boolean       = wire.Boolean
	instant       = wire.Instant
	list[T any]   = wire.List[T]
	object[T any] = wire.Object[T]
)

// A head is what every answer may have beside its content. Each answer's type embeds it, so
// that one pass over the body reads both.
type head struct {
	Code      text
	Message   text
	RequestId text
}

func (h *head) header() *head { return h }

// An answer is a struct that an answer's body is decoded into.
type answer interface{ header() *head }

// decodeAnswer turns an HTTP answer into out, or into an *Error.
func decodeAnswer(action string, status int, body []byte, out answer) error {
	isObject := bytes.HasPrefix(bytes.TrimSpace(body), []byte("{"))
	var err error
	h := &head{}
	refused := status < 200 || status > 299
	if !refused {
		err = wire.Unmarshal(body, out)
		h = out.header()
	}
	var notJSON bool
	if refused || err != nil {
		h = &head{}
		notJSON = wire.Unmarshal(body, h) != nil
	}
	e := &Error{Action: action, Code: string(h.Code), Message: hideStringToSign(string(h.Message)), RequestID: string(h.RequestId), HTTPStatus: status}
	switch {
	case refused:
		if notJSON || !isObject || (h.Code == "" && h.Message == "") {
			e.Code, e.Message = "", "not the API's error format: "+wire.Excerpt(body)
		}
		return e
	case notJSON || !isObject:
		e.Code, e.Message, e.Err = codeBadAnswer, "the answer is not a JSON object: "+wire.Excerpt(body), err
		return e
	case h.Code != "" && !isSuccess(string(h.Code)):
		return e
	case err != nil:
		e.Code, e.Message, e.Err = codeBadAnswer, "decoding the answer: "+err.Error(), err
		return e
	}
	return nil
}

// isSuccess reports that a 200's Code says that all is well, as other products' answers do.
func isSuccess(code string) bool {
	return code == "200" || strings.EqualFold(code, "OK") || strings.EqualFold(code, "Success")
}

// hideStringToSign cuts what the gateway adds to SignatureDoesNotMatch: the string that it
// signed, which is the whole request with its passwords and config files.
func hideStringToSign(message string) string {
	if i := strings.Index(message, "server string to sign is:"); i >= 0 {
		return message[:i] + "(the string to sign is left out, it has secrets)"
	}
	return message
}
