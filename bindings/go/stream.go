package cycles

import (
	"context"
	"sync"

	"github.com/runcycles/cycles/bindings/go/internal/native"
)

// OnLimit says what happens when a stream has used up its hold.
type OnLimit string

// What happens when a stream has used up its hold; [Finish] unless set.
const (
	// Cut lets no more output flow.
	Cut OnLimit = "cut"
	// Extend takes a further reservation before more output flows.
	Extend OnLimit = "extend"
	// Finish lets it go on; the overage policy decides about the rest.
	Finish OnLimit = "finish"
)

// StreamOptions say how a stream is watched.
type StreamOptions struct {
	OnLimit OnLimit
	// ExtendBy is what each further reservation holds; the estimate unless set.
	ExtendBy int64
	// Cost says what the usage so far costs, in the estimate's unit. Without it,
	// tokens cost themselves where the unit is TOKENS.
	Cost func(Usage) int64
}

// Usage is what a stream has used so far.
type Usage struct {
	TokensInput  int64
	TokensOutput int64
	// Actual is what it has cost in all, where the caller knows; it wins over Cost.
	Actual   *int64
	Metrics  *Metrics
	Metadata map[string]any
}

// Stream is budget held while output flows. Any goroutine may count.
type Stream struct {
	native *native.Stream
	cost   func(Usage) int64
	lock   sync.Mutex
	usage  Usage
	// What the authority answered.
	Hold
}

// ReserveStream holds budget for a stream and watches it.
func (c *Client) ReserveStream(ctx context.Context, call Call, options StreamOptions) (*Stream, error) {
	document, err := call.document()
	if err != nil {
		return nil, err
	}
	watched, err := encoded("options", struct {
		OnLimit  OnLimit `json:"on_limit,omitempty"`
		ExtendBy int64   `json:"extend_by,omitempty"`
	}{options.OnLimit, options.ExtendBy})
	if err != nil {
		return nil, err
	}
	parent, err := inside(ctx)
	if err != nil {
		return nil, err
	}
	made, err := native.NewStream(c.native, document, watched, parent)
	if err != nil {
		return nil, typed(err)
	}
	text, err := made.Reserve(ctx)
	if err != nil {
		return nil, typed(err)
	}
	stream := &Stream{native: made, cost: options.Cost}
	return stream, decode(text, &stream.Hold)
}

// Record changes what was used so far.
func (s *Stream) Record(change func(*Usage)) {
	s.lock.Lock()
	defer s.lock.Unlock()
	change(&s.usage)
}

// AddInputTokens counts tokens that went in.
func (s *Stream) AddInputTokens(tokens int64) {
	s.Record(func(usage *Usage) { usage.TokensInput += max(tokens, 0) })
}

// AddOutputTokens counts tokens that came out.
func (s *Stream) AddOutputTokens(tokens int64) {
	s.Record(func(usage *Usage) { usage.TokensOutput += max(tokens, 0) })
}

// SetActual says what the stream has cost so far in all.
func (s *Stream) SetActual(amount int64) {
	s.Record(func(usage *Usage) { usage.Actual = &amount })
}

// Within is a context for the stream's work: guarded calls made with it are
// inside it.
func (s *Stream) Within(ctx context.Context) context.Context {
	return context.WithValue(ctx, outerKey{}, s)
}

// parent tells the core what was used so far: calls inside draw from the rest.
func (s *Stream) parent() (*native.Parent, error) {
	usage, err := s.document()
	if err != nil {
		return nil, err
	}
	if err := s.native.Count(usage); err != nil {
		return nil, err
	}
	return s.native.Parent()
}

// Proceed says whether more output may flow; ask before each piece. Under
// [Extend] this takes the further reservation. The error is why it was refused,
// or ctx's.
func (s *Stream) Proceed(ctx context.Context) (bool, error) {
	usage, err := s.document()
	if err != nil {
		return false, err
	}
	text, err := s.native.Proceed(ctx, usage)
	if err != nil {
		return false, typed(err)
	}
	var answer struct {
		Flow string `json:"flow"`
		Err  *Error `json:"error"`
	}
	if err := decode(text, &answer); err != nil {
		return false, err
	}
	if answer.Err != nil {
		return false, answer.Err
	}
	return answer.Flow == "continue", nil
}

// Lost waits for the loss of a lease under Config.HeartbeatPolicy "cancel": the
// stream is cut then, and the error is why. Otherwise it is ctx's; wait beside the
// work.
func (s *Stream) Lost(ctx context.Context) error {
	text, err := s.native.Lost(ctx)
	if err != nil {
		return typed(err)
	}
	return typed(native.Failure(text))
}

// Refresh reads how the stream stands now.
func (s *Stream) Refresh() (Hold, error) {
	text, err := s.native.Context()
	if err != nil {
		return s.Hold, typed(err)
	}
	var hold Hold
	return hold, decode(text, &hold)
}

// Finish commits what was used, and gives the rest back. Without any usage or
// cost the estimate is what was used.
func (s *Stream) Finish(ctx context.Context) (*Settlement, error) {
	usage, err := s.document()
	if err != nil {
		return nil, err
	}
	return settlement(s.native.Finish(ctx, usage))
}

// Abort says that the stream has failed or is given up: what flowed is committed;
// where nothing did, everything is given back.
func (s *Stream) Abort(ctx context.Context, reason string) (*Settlement, error) {
	usage, err := s.document()
	if err != nil {
		return nil, err
	}
	return settlement(s.native.Abort(ctx, usage, reason))
}

func (s *Stream) document() (string, error) {
	s.lock.Lock()
	usage := s.usage
	s.lock.Unlock()
	document := struct {
		TokensInput  int64          `json:"tokens_input"`
		TokensOutput int64          `json:"tokens_output"`
		Actual       *int64         `json:"actual,omitempty"`
		Cost         *int64         `json:"cost,omitempty"`
		Metrics      *Metrics       `json:"metrics,omitempty"`
		Metadata     map[string]any `json:"metadata,omitempty"`
	}{usage.TokensInput, usage.TokensOutput, usage.Actual, nil, usage.Metrics, usage.Metadata}
	if s.cost != nil {
		cost := s.cost(usage)
		document.Cost = &cost
	}
	return encoded("usage", document)
}
