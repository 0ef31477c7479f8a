package native

// #include <stdlib.h>
// #include "cycles.h"
import "C"

import (
	"context"
	"runtime"
)

// Parent is a call that further ones are made inside of.
type Parent struct{ handle *C.cycles_parent }

func parent(handle *C.cycles_parent, report *C.char) (*Parent, error) {
	if handle == nil {
		return nil, failure(report)
	}
	made := &Parent{handle}
	runtime.SetFinalizer(made, func(p *Parent) { C.cycles_parent_free(p.handle) })
	return made, nil
}

func (p *Parent) pointer() *C.cycles_parent {
	if p == nil {
		return nil
	}
	return p.handle
}

// Guard is budget held for one piece of work. Where nobody settles it, the
// finalizer gives the hold back.
type Guard struct{ handle *C.cycles_guard }

// NewGuard makes a guard; nothing is held until it reserves.
func NewGuard(c *Client, request string, inside *Parent) (*Guard, error) {
	given, free := text(request)
	defer free()
	c.lock.RLock()
	defer c.lock.RUnlock()
	if c.handle == nil {
		return nil, closed
	}
	var report *C.char
	handle := C.cycles_guard_new(c.handle, given, inside.pointer(), &report)
	runtime.KeepAlive(inside)
	if handle == nil {
		return nil, failure(report)
	}
	made := &Guard{handle}
	runtime.SetFinalizer(made, func(g *Guard) { C.cycles_guard_free(g.handle) })
	return made, nil
}

// Reserve reserves, once; answers the context.
func (g *Guard) Reserve(ctx context.Context) (string, error) {
	defer runtime.KeepAlive(g)
	return await(ctx, C.cycles_guard_reserve(g.handle))
}

// Context says what the work may know.
func (g *Guard) Context() (string, error) {
	defer runtime.KeepAlive(g)
	var report *C.char
	context := C.cycles_guard_context(g.handle, &report)
	return take(context), failure(report)
}

// Parent is this call, for those inside it; nil once it has settled.
func (g *Guard) Parent() (*Parent, error) {
	defer runtime.KeepAlive(g)
	var report *C.char
	handle := C.cycles_guard_parent(g.handle, &report)
	return parent(handle, report)
}

// Commit commits; a cancelled context stops only the waiting.
func (g *Guard) Commit(ctx context.Context, report string) (string, error) {
	defer runtime.KeepAlive(g)
	given, free := text(report)
	defer free()
	return await(ctx, C.cycles_guard_commit(g.handle, given))
}

// Release gives everything back.
func (g *Guard) Release(ctx context.Context, reason string) (string, error) {
	defer runtime.KeepAlive(g)
	given, free := optional(reason)
	defer free()
	return await(ctx, C.cycles_guard_release(g.handle, given))
}

// Lost waits for the loss of the lease, where that cancels the work.
func (g *Guard) Lost(ctx context.Context) (string, error) {
	defer runtime.KeepAlive(g)
	return await(ctx, C.cycles_guard_lost(g.handle))
}

// Abandon gives up cancelled work.
func (g *Guard) Abandon(ctx context.Context) error {
	defer runtime.KeepAlive(g)
	_, err := await(ctx, C.cycles_guard_abandon(g.handle))
	return err
}
