package native

// #include <stdint.h>
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

//export cyclesGoDone
func cyclesGoDone(handle unsafe.Pointer) {
	cgo.Handle(uintptr(handle)).Value().(chan struct{}) <- struct{}{}
}
