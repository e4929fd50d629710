package setup

import "errors"

// Exit codes of every command. Scripts rely on them.
const (
	ExitOK      = 0 // done, everything asked for is there
	ExitError   = 1 // nothing could be done or shown
	ExitUsage   = 2 // the command line is wrong
	ExitPartial = 3 // shown, but a source failed: some of it is missing or old
)

// An exitError carries the code to exit with. A nil err was reported already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// Exit makes an error end the program with a code. err may be nil when everything there is
// to say has been said.
func Exit(code int, err error) error { return &exitError{code: code, err: err} }

// ExitCode is the code that an error ends the program with.
func ExitCode(err error) int {
	var coded *exitError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &coded):
		return coded.code
	}
	return ExitError
}
