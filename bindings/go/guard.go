package cycles

import (
	"context"

	"github.com/runcycles/cycles/bindings/go/internal/native"
)

// Hold is what the work may know of its reservation.
type Hold struct {
	ReservationID       string    `json:"reservation_id"`
	ReservationIDs      []string  `json:"reservation_ids"`
	Decision            string    `json:"decision"`
	Estimate            Amount    `json:"estimate"`
	Caps                *Caps     `json:"caps"`
	ExpiresAtMs         int64     `json:"expires_at_ms"`
	AffectedScopes      []string  `json:"affected_scopes"`
	Balances            []Balance `json:"balances"`
	DryRun              bool      `json:"dry_run"`
	TraceID             string    `json:"trace_id"`
	ParentReservationID string    `json:"parent_reservation_id"`
	// Unseen says that the authority could not be asked and nothing is held.
	Unseen    bool `json:"unseen"`
	LeaseLost bool `json:"lease_lost"`
	// Cancels says that work whose lease is lost is cancelled.
	Cancels bool `json:"cancels"`
	// Used, Held, IsCut and IsSettled are a stream's.
	Used      *Amount `json:"used"`
	Held      *Amount `json:"held"`
	IsCut     bool    `json:"is_cut"`
	IsSettled bool    `json:"is_settled"`
}

// Guard is budget held for one piece of work: commit or release it. One that is
// forgotten gives its hold back when it is collected, or with its lease.
type Guard struct {
	native *native.Guard
	// What the authority answered.
	Hold
}

// Actual is what a commit reports.
type Actual struct {
	// Amount is what the work cost, in the estimate's unit.
	Amount   int64
	Metrics  *Metrics
	Metadata map[string]any
}

// outer is a guard or a stream that calls are made inside of.
type outer interface {
	// parent is nil once it has settled.
	parent() (*native.Parent, error)
}

type outerKey struct{}

// inside is what calls with this context are made inside of.
func inside(ctx context.Context) (*native.Parent, error) {
	outer, ok := ctx.Value(outerKey{}).(outer)
	if !ok {
		return nil, nil
	}
	parent, err := outer.parent()
	return parent, typed(err)
}

// Reserve holds budget. Where ctx is cancelled meanwhile, it is given back.
func (c *Client) Reserve(ctx context.Context, call Call) (*Guard, error) {
	document, err := call.document()
	if err != nil {
		return nil, err
	}
	parent, err := inside(ctx)
	if err != nil {
		return nil, err
	}
	made, err := native.NewGuard(c.native, document, parent)
	if err != nil {
		return nil, typed(err)
	}
	text, err := made.Reserve(ctx)
	if err != nil {
		return nil, typed(err)
	}
	guard := &Guard{native: made}
	return guard, decode(text, &guard.Hold)
}

// Refresh reads how the hold stands now: expiry and lease.
func (g *Guard) Refresh() (Hold, error) {
	text, err := g.native.Context()
	if err != nil {
		return g.Hold, typed(err)
	}
	var hold Hold
	return hold, decode(text, &hold)
}

// Within is a context for the work: guarded calls made with it are inside this
// one.
func (g *Guard) Within(ctx context.Context) context.Context {
	return context.WithValue(ctx, outerKey{}, g)
}

func (g *Guard) parent() (*native.Parent, error) { return g.native.Parent() }

// Commit charges what the work really cost and gives the rest back. A cancelled
// ctx stops only the waiting.
func (g *Guard) Commit(ctx context.Context, actual Actual) (*Settlement, error) {
	return g.commit(ctx, &actual.Amount, actual)
}

// CommitEstimate charges the estimate.
func (g *Guard) CommitEstimate(ctx context.Context) (*Settlement, error) {
	return g.commit(ctx, nil, Actual{})
}

func (g *Guard) commit(ctx context.Context, amount *int64, actual Actual) (*Settlement, error) {
	return settlement(g.book(ctx, amount, actual))
}

// book answers how the settlement stands, as JSON.
func (g *Guard) book(ctx context.Context, amount *int64, actual Actual) (string, error) {
	report := struct {
		Actual   *Amount        `json:"actual,omitempty"`
		Metrics  *Metrics       `json:"metrics,omitempty"`
		Metadata map[string]any `json:"metadata,omitempty"`
	}{Metrics: actual.Metrics, Metadata: actual.Metadata}
	if amount != nil {
		report.Actual = &Amount{g.Estimate.Unit, *amount}
	}
	document, err := encoded("metadata", report)
	if err != nil {
		// The work has run: metadata that does not encode must not keep it from being booked.
		report.Metadata, report.Metrics = nil, nil
		if document, err = encoded("actual", report); err != nil {
			return "", err
		}
	}
	return g.native.Commit(ctx, document)
}

// Release gives everything back.
func (g *Guard) Release(ctx context.Context, reason string) (*Settlement, error) {
	return settlement(g.native.Release(ctx, reason))
}

func settlement(text string, err error) (*Settlement, error) {
	if err != nil {
		return nil, typed(err)
	}
	settled := new(Settlement)
	return settled, decode(text, settled)
}
