module github.com/runcycles/cycles/examples

go 1.23

require github.com/runcycles/cycles/bindings/go v0.0.0

replace github.com/runcycles/cycles/bindings/go => ../bindings/go
