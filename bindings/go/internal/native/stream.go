package native

// #include <stdlib.h>
// #include "cycles.h"
import "C"

import (
	"context"
	"runtime"
)

// Stream is budget held for a stream. Where nobody settles it, the finalizer
// aborts it.
type Stream struct{ handle *C.cycles_stream }

// NewStream makes a stream; nothing is held until it reserves.
func NewStream(c *Client, request, options string, inside *Parent) (*Stream, error) {
	given, free := text(request)
	defer free()
	watched, freeOptions := text(options)
	defer freeOptions()
	c.lock.RLock()
	defer c.lock.RUnlock()
	if c.handle == nil {
		return nil, closed
	}
	var report *C.char
	handle := C.cycles_stream_new(c.handle, given, watched, inside.pointer(), &report)
	runtime.KeepAlive(inside)
	if handle == nil {
		return nil, failure(report)
	}
	made := &Stream{handle}
	runtime.SetFinalizer(made, func(s *Stream) { C.cycles_stream_free(s.handle) })
	return made, nil
}

// Reserve reserves, once; answers the context.
func (s *Stream) Reserve(ctx context.Context) (string, error) {
	defer runtime.KeepAlive(s)
	return await(ctx, C.cycles_stream_reserve(s.handle))
}

// Context says what its user may know.
func (s *Stream) Context() (string, error) {
	defer runtime.KeepAlive(s)
	var report *C.char
	context := C.cycles_stream_context(s.handle, &report)
	return take(context), failure(report)
}

// Parent is this stream, for the calls inside it; nil once it has settled.
func (s *Stream) Parent() (*Parent, error) {
	defer runtime.KeepAlive(s)
	var report *C.char
	handle := C.cycles_stream_parent(s.handle, &report)
	return parent(handle, report)
}

// Lost waits for the loss of a lease, where that cuts the stream.
func (s *Stream) Lost(ctx context.Context) (string, error) {
	defer runtime.KeepAlive(s)
	return await(ctx, C.cycles_stream_lost(s.handle))
}

// Count notes what was used so far.
func (s *Stream) Count(usage string) error {
	defer runtime.KeepAlive(s)
	given, free := text(usage)
	defer free()
	var report *C.char
	C.cycles_stream_count(s.handle, given, &report)
	return failure(report)
}

// Proceed says whether more output may flow.
func (s *Stream) Proceed(ctx context.Context, usage string) (string, error) {
	defer runtime.KeepAlive(s)
	given, free := text(usage)
	defer free()
	return await(ctx, C.cycles_stream_proceed(s.handle, given))
}

// Finish commits what was used.
func (s *Stream) Finish(ctx context.Context, usage string) (string, error) {
	defer runtime.KeepAlive(s)
	given, free := text(usage)
	defer free()
	return await(ctx, C.cycles_stream_finish(s.handle, given))
}

// Abort commits what flowed, or gives everything back.
func (s *Stream) Abort(ctx context.Context, usage, reason string) (string, error) {
	defer runtime.KeepAlive(s)
	given, free := text(usage)
	defer free()
	why, freeReason := optional(reason)
	defer freeReason()
	return await(ctx, C.cycles_stream_abort(s.handle, given, why))
}
