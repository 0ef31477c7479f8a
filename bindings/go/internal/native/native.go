// Package native calls the C ABI: it converts strings, frees what it is given
// and waits for tasks. It decides nothing.
package native

/*
#cgo CFLAGS: -I${SRCDIR}/../../../c/include
#cgo LDFLAGS: -lcycles
#cgo linux LDFLAGS: -lm -ldl -lpthread
#include <stdlib.h>
#include "cycles.h"

extern void cyclesGoDone(void *handle);

static void cycles_go_notify(const cycles_task *task, uintptr_t handle) {
	cycles_task_notify(task, cyclesGoDone, (void *)handle);
}
*/
import "C"

import (
	"context"
	"runtime/cgo"
	"unsafe"
)

// Failure is an error report of the core, as JSON.
type Failure string

func (f Failure) Error() string { return string(f) }

// text is a C copy of a Go string; empty optional texts are NULL.
func text(value string) (*C.char, func()) {
	copied := C.CString(value)
	return copied, func() { C.free(unsafe.Pointer(copied)) }
}

func optional(value string) (*C.char, func()) {
	if value == "" {
		return nil, func() {}
	}
	return text(value)
}

// take makes a Go string of a text that the library gave, and frees it.
func take(given *C.char) string {
	if given == nil {
		return ""
	}
	defer C.cycles_string_free(given)
	return C.GoString(given)
}

func failure(report *C.char) error {
	if report == nil {
		return nil
	}
	return Failure(take(report))
}

// await waits for a task and frees it. A cancelled context cancels it.
func await(ctx context.Context, task *C.cycles_task) (string, error) {
	if !bool(C.cycles_task_wait(task, 0)) {
		if err := wait(ctx, task); err != nil {
			return "", err
		}
	}
	var report *C.char
	result := C.cycles_task_result(task, &report)
	C.cycles_task_free(task)
	if result == nil {
		return "", failure(report)
	}
	return take(result), nil
}

// wait returns once the task has ended, or has freed it with the context's error.
func wait(ctx context.Context, task *C.cycles_task) error {
	done := make(chan struct{}, 1)
	handle := cgo.NewHandle(done)
	// The handle may go once nobody is called any more: the task has called, or is freed.
	defer handle.Delete()
	C.cycles_go_notify(task, C.uintptr_t(handle))
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		C.cycles_task_free(task)
		return ctx.Err()
	}
}

// Microcents reads a decimal amount of US dollars.
func Microcents(dollars string) (int64, error) {
	given, free := text(dollars)
	defer free()
	var report *C.char
	amount := C.cycles_usd_microcents(given, &report)
	return int64(amount), failure(report)
}
