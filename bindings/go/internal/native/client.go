package native

// #include <stdlib.h>
// #include "cycles.h"
import "C"

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// Client is a client of the core. Close frees it.
type Client struct {
	handle *C.cycles_client
	lock   sync.RWMutex
	closed atomic.Bool
}

func client(handle *C.cycles_client, report *C.char) (*Client, error) {
	if handle == nil {
		return nil, failure(report)
	}
	made := &Client{handle: handle}
	runtime.SetFinalizer(made, (*Client).free)
	return made, nil
}

// NewClient makes a client of a remote authority; clock may be nil.
func NewClient(config string, clock *Clock) (*Client, error) {
	given, free := text(config)
	defer free()
	var report *C.char
	made := C.cycles_client_new(given, clock.pointer(), &report)
	runtime.KeepAlive(clock)
	return client(made, report)
}

// ClientFromEnv makes a client set up by environment variables.
func ClientFromEnv(prefix string) (*Client, error) {
	given, free := optional(prefix)
	defer free()
	var report *C.char
	return client(C.cycles_client_from_env(given, &report), report)
}

// EmbeddedClient makes a client with an authority in process; clock may be nil.
func EmbeddedClient(seed, config string, clock *Clock) (*Client, error) {
	given, free := text(seed)
	defer free()
	configured, freeConfig := text(config)
	defer freeConfig()
	var report *C.char
	made := C.cycles_client_embedded(given, configured, clock.pointer(), &report)
	runtime.KeepAlive(clock)
	return client(made, report)
}

// with runs use with the handle, unless the client is freed.
func (c *Client) with(use func(handle *C.cycles_client) (string, error)) (string, error) {
	c.lock.RLock()
	if c.handle == nil {
		c.lock.RUnlock()
		return "", closed
	}
	defer c.lock.RUnlock()
	return use(c.handle)
}

const closed = Failure(`{"kind":"Config","message":"the client is closed; make a new one"}`)

// start begins a task while the handle is there; waiting needs it no more.
func (c *Client) start(ctx context.Context, begin func(handle *C.cycles_client) *C.cycles_task) (string, error) {
	c.lock.RLock()
	if c.handle == nil {
		c.lock.RUnlock()
		return "", closed
	}
	task := begin(c.handle)
	c.lock.RUnlock()
	return await(ctx, task)
}

// Send sends a request in wire form.
func (c *Client) Send(ctx context.Context, request string) (string, error) {
	given, free := text(request)
	defer free()
	return c.start(ctx, func(handle *C.cycles_client) *C.cycles_task {
		return C.cycles_client_send(handle, given)
	})
}

// Flush waits for settlements in the background.
func (c *Client) Flush(ctx context.Context, timeoutMs uint64) (string, error) {
	return c.start(ctx, func(handle *C.cycles_client) *C.cycles_task {
		return C.cycles_client_flush(handle, C.uint64_t(timeoutMs))
	})
}

// Close refuses further calls, waits for settlements, and frees the client.
func (c *Client) Close(ctx context.Context, timeoutMs uint64) (string, error) {
	if c.closed.Swap(true) {
		return "0", nil
	}
	defer c.free()
	return c.start(ctx, func(handle *C.cycles_client) *C.cycles_task {
		return C.cycles_client_close(handle, C.uint64_t(timeoutMs))
	})
}

// Notifications waits for what happened in the background.
func (c *Client) Notifications(ctx context.Context) (string, error) {
	return c.start(ctx, func(handle *C.cycles_client) *C.cycles_task {
		return C.cycles_client_notifications(handle)
	})
}

// SetAPIKey replaces the key.
func (c *Client) SetAPIKey(key string) error {
	given, free := text(key)
	defer free()
	_, err := c.with(func(handle *C.cycles_client) (string, error) {
		var report *C.char
		C.cycles_client_set_api_key(handle, given, &report)
		return "", failure(report)
	})
	return err
}

// JournalStats says how the journal stands.
func (c *Client) JournalStats() (string, error) {
	return c.with(func(handle *C.cycles_client) (string, error) {
		var report *C.char
		stats := C.cycles_client_journal_stats(handle, &report)
		return take(stats), failure(report)
	})
}

func (c *Client) free() {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.handle != nil {
		C.cycles_client_free(c.handle)
		c.handle = nil
	}
	runtime.SetFinalizer(c, nil)
}
