package cycles

import (
	"context"
	"errors"
	"fmt"

	"github.com/runcycles/cycles/bindings/go/internal/native"
)

// ErrDryRun is what errors.Is finds in the [*DryRunError] of a dry run.
var ErrDryRun = errors.New("dry run: the work did not run")

// DryRunError is what [With] answers for a dry run: the work did not run, and
// Hold says what would have been answered.
type DryRunError struct{ Hold Hold }

func (e *DryRunError) Error() string {
	return fmt.Sprintf("dry run: %s; the work did not run", e.Hold.Decision)
}

// Unwrap is [ErrDryRun].
func (e *DryRunError) Unwrap() error { return ErrDryRun }

// With reserves, runs work, and commits the amount that it answers, in the
// estimate's unit.
//
// Where the reserve is refused, work does not run and the error says why
// ([ErrBudgetExceeded], …). An error of work gives the hold back and is answered
// as it is; so does a panic, which goes on. Once work has succeeded its value is
// answered whatever settling says: what is unclear is repeated in the background.
//
// The context of work carries the call, for guarded calls inside it. It is
// cancelled when the lease is lost and Config.HeartbeatPolicy is "cancel"; the
// error is then an [ErrReservationExpired].
func With[T any](
	ctx context.Context, client *Client, call Call,
	work func(ctx context.Context, guard *Guard) (value T, actual int64, err error),
) (T, error) {
	var none T
	guard, err := client.Reserve(ctx, call)
	if err != nil {
		return none, err
	}
	if guard.DryRun {
		return none, &DryRunError{guard.Hold}
	}
	// Settling goes on when the caller has gone.
	settling := context.WithoutCancel(ctx)
	working, end := guard.watch(guard.Within(ctx))
	settled := false
	defer func() {
		end(nil)
		if !settled {
			guard.Release(settling, "guarded function panicked")
		}
	}()
	value, actual, err := work(working, guard)
	settled = true
	var loss *Error
	switch {
	case err == nil:
		guard.book(settling, &actual, Actual{})
		return value, nil
	case errors.As(context.Cause(working), &loss) && ctx.Err() == nil:
		guard.native.Abandon(settling)
		return none, fmt.Errorf("%w (the work answered: %w)", loss, err)
	default:
		guard.Release(settling, fmt.Sprintf("guarded function failed: %v", err))
		return none, err
	}
}

// watch is a context that is cancelled when the lease is lost, where the policy
// says so.
func (g *Guard) watch(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	working, cancel := context.WithCancelCause(ctx)
	if !g.Cancels {
		return working, cancel
	}
	go func() {
		text, err := g.native.Lost(working)
		if err == nil {
			cancel(typed(native.Failure(text)))
		}
	}()
	return working, cancel
}
