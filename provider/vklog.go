package provider

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/virtual-kubelet/virtual-kubelet/log"
)

// WithLogger returns a context in which Virtual Kubelet logs to logger. The library's own
// slog adapter panics when it is given an error instead of a text, which the library does.
func WithLogger(ctx context.Context, logger *slog.Logger) context.Context {
	return log.WithLogger(ctx, vkLogger{logger})
}

type vkLogger struct{ to *slog.Logger }

func (l vkLogger) Debug(args ...any)                 { l.to.Debug(fmt.Sprint(args...)) }
func (l vkLogger) Debugf(format string, args ...any) { l.to.Debug(fmt.Sprintf(format, args...)) }
func (l vkLogger) Info(args ...any)                  { l.to.Info(fmt.Sprint(args...)) }
func (l vkLogger) Infof(format string, args ...any)  { l.to.Info(fmt.Sprintf(format, args...)) }
func (l vkLogger) Warn(args ...any)                  { l.to.Warn(fmt.Sprint(args...)) }
func (l vkLogger) Warnf(format string, args ...any)  { l.to.Warn(fmt.Sprintf(format, args...)) }
func (l vkLogger) Error(args ...any)                 { l.to.Error(fmt.Sprint(args...)) }
func (l vkLogger) Errorf(format string, args ...any) { l.to.Error(fmt.Sprintf(format, args...)) }

// Fatal only logs: a library does not end the process that pods depend on.
func (l vkLogger) Fatal(args ...any)                 { l.Error(args...) }
func (l vkLogger) Fatalf(format string, args ...any) { l.Errorf(format, args...) }

func (l vkLogger) WithField(key string, value any) log.Logger {
	return vkLogger{l.to.With(key, value)}
}

func (l vkLogger) WithFields(fields log.Fields) log.Logger {
	to := l.to
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		to = to.With(key, fields[key])
	}
	return vkLogger{to}
}

func (l vkLogger) WithError(err error) log.Logger { return vkLogger{l.to.With("err", err)} }
