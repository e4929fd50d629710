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

// print makes the text only where it is logged: the library logs at debug on every sync of
// every pod.
func (l vkLogger) print(level slog.Level, args []any) {
	if l.to.Enabled(context.Background(), level) {
		l.to.Log(context.Background(), level, fmt.Sprint(args...))
	}
}

func (l vkLogger) printf(level slog.Level, format string, args []any) {
	if l.to.Enabled(context.Background(), level) {
		l.to.Log(context.Background(), level, fmt.Sprintf(format, args...))
	}
}

func (l vkLogger) Debug(args ...any)                 { l.print(slog.LevelDebug, args) }
func (l vkLogger) Debugf(format string, args ...any) { l.printf(slog.LevelDebug, format, args) }
func (l vkLogger) Info(args ...any)                  { l.print(slog.LevelInfo, args) }
func (l vkLogger) Infof(format string, args ...any)  { l.printf(slog.LevelInfo, format, args) }
func (l vkLogger) Warn(args ...any)                  { l.print(slog.LevelWarn, args) }
func (l vkLogger) Warnf(format string, args ...any)  { l.printf(slog.LevelWarn, format, args) }
func (l vkLogger) Error(args ...any)                 { l.print(slog.LevelError, args) }
func (l vkLogger) Errorf(format string, args ...any) { l.printf(slog.LevelError, format, args) }

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

// WithError adds the error; the library also passes the nil of a call that went well.
func (l vkLogger) WithError(err error) log.Logger {
	if err == nil {
		return l
	}
	return vkLogger{l.to.With("err", err)}
}
