package native

// #include <stdlib.h>
// #include "cycles.h"
import "C"

import (
	"context"
	"runtime"
	"strconv"
	"sync"
)

// Clock is a clock that moves only when told.
type Clock struct{ handle *C.cycles_clock }

// NewClock makes a clock that stands at startMs, Unix time.
func NewClock(startMs int64) *Clock {
	made := &Clock{C.cycles_clock_new(C.int64_t(startMs))}
	runtime.SetFinalizer(made, func(c *Clock) { C.cycles_clock_free(c.handle) })
	return made
}

func (c *Clock) pointer() *C.cycles_clock {
	if c == nil {
		return nil
	}
	return c.handle
}

// Advance moves the time forward.
func (c *Clock) Advance(ms uint64) {
	C.cycles_clock_advance(c.handle, C.uint64_t(ms))
	runtime.KeepAlive(c)
}

// NowMs is the time, Unix time.
func (c *Clock) NowMs() int64 {
	defer runtime.KeepAlive(c)
	return int64(C.cycles_clock_now_ms(c.handle))
}

// Server is an authority for one test; Stop frees it.
type Server struct {
	handle *C.cycles_server
	stop   sync.Once
}

// StartServer starts one; clock may be nil.
func StartServer(seed string, clock *Clock) (*Server, error) {
	given, free := text(seed)
	defer free()
	var report *C.char
	handle := C.cycles_server_start(given, clock.pointer(), &report)
	runtime.KeepAlive(clock)
	if handle == nil {
		return nil, failure(report)
	}
	// Without a finalizer: a test that only keeps its address wants it to go on.
	return &Server{handle: handle}, nil
}

// BaseURL is where it listens.
func (s *Server) BaseURL() string {
	return take(C.cycles_server_base_url(s.handle, nil))
}

// APIKey is the secret of the key called name, or of the first.
func (s *Server) APIKey(name string) (string, error) {
	given, free := optional(name)
	defer free()
	var report *C.char
	key := C.cycles_server_api_key(s.handle, given, &report)
	return take(key), failure(report)
}

// Client makes a client over http or local.
func (s *Server) Client(key, transport, config string) (*Client, error) {
	given, free := optional(key)
	defer free()
	over, freeOver := text(transport)
	defer freeOver()
	configured, freeConfig := text(config)
	defer freeConfig()
	var report *C.char
	return client(C.cycles_server_client(s.handle, given, over, configured, &report), report)
}

// Inject lets coming calls go wrong.
func (s *Server) Inject(fault string) error {
	given, free := text(fault)
	defer free()
	var report *C.char
	C.cycles_server_inject(s.handle, given, &report)
	return failure(report)
}

// PendingFaults are those that have not fired.
func (s *Server) PendingFaults() string {
	return take(C.cycles_server_pending_faults(s.handle, nil))
}

// WaitFor waits until operation was answered count times.
func (s *Server) WaitFor(ctx context.Context, operation string, count int, timeoutMs uint64) error {
	given, free := text(operation)
	defer free()
	_, err := await(ctx, C.cycles_server_wait_for(s.handle, given, C.size_t(count), C.uint64_t(timeoutMs)))
	return err
}

// WaitForFaults waits until all faults of operation have fired.
func (s *Server) WaitForFaults(ctx context.Context, operation string, timeoutMs uint64) error {
	given, free := text(operation)
	defer free()
	_, err := await(ctx, C.cycles_server_wait_for_faults(s.handle, given, C.uint64_t(timeoutMs)))
	return err
}

// Count is how often operation was answered successfully.
func (s *Server) Count(operation string) (int64, error) {
	given, free := text(operation)
	defer free()
	var report *C.char
	count := C.cycles_server_count(s.handle, given, &report)
	return int64(count), failure(report)
}

// Budget is the budget of scope in unit.
func (s *Server) Budget(scope, unit string) (string, error) {
	of, freeScope := text(scope)
	defer freeScope()
	in, freeUnit := text(unit)
	defer freeUnit()
	var report *C.char
	budget := C.cycles_server_budget(s.handle, of, in, &report)
	return take(budget), failure(report)
}

// Stop stops listening; says what broke the contract, if something did.
func (s *Server) Stop() (err error) {
	s.stop.Do(func() {
		var report *C.char
		C.cycles_server_shutdown(s.handle, &report)
		err = failure(report)
		C.cycles_server_free(s.handle)
		s.handle = nil
	})
	return err
}

// Number reads a number that a task has come to.
func Number(text string, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}
