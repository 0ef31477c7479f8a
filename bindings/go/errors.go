package cycles

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/runcycles/cycles/bindings/go/internal/native"
)

// Kind says what a caller can do about an [Error].
type Kind string

// The kinds of errors, the same in every language.
const (
	KindProtocol               Kind = "Protocol"
	KindBudgetExceeded         Kind = "BudgetExceeded"
	KindOverdraftLimitExceeded Kind = "OverdraftLimitExceeded"
	KindDebtOutstanding        Kind = "DebtOutstanding"
	KindTenantClosed           Kind = "TenantClosed"
	KindReservationExpired     Kind = "ReservationExpired"
	KindReservationFinalized   Kind = "ReservationFinalized"
	KindTransport              Kind = "Transport"
	KindValidation             Kind = "Validation"
	KindConfig                 Kind = "Config"
	KindInternal               Kind = "Internal"
)

// What errors.Is tells apart; the error itself is an [*Error].
var (
	ErrBudgetExceeded         = &Error{Kind: KindBudgetExceeded}
	ErrOverdraftLimitExceeded = &Error{Kind: KindOverdraftLimitExceeded}
	ErrDebtOutstanding        = &Error{Kind: KindDebtOutstanding}
	ErrTenantClosed           = &Error{Kind: KindTenantClosed}
	ErrReservationExpired     = &Error{Kind: KindReservationExpired}
	ErrReservationFinalized   = &Error{Kind: KindReservationFinalized}
	ErrTransport              = &Error{Kind: KindTransport}
	ErrValidation             = &Error{Kind: KindValidation}
	ErrConfig                 = &Error{Kind: KindConfig}
)

// Error is why a call did not succeed.
type Error struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`
	// Code is the protocol's code, where the authority refused.
	Code string `json:"code"`
	// Status is the HTTP status, where something answered.
	Status int `json:"status"`
	// ReasonCode is that of a denial that came as an answer.
	ReasonCode string `json:"reason_code"`
	// RequestID names the request in the server's logs.
	RequestID string `json:"request_id"`
	// TraceID names the logical operation.
	TraceID string `json:"trace_id"`
	// RetryAfter is when to try again; 0 where nobody said.
	RetryAfter time.Duration `json:"-"`
	// Details is machine-readable context.
	Details map[string]any `json:"details"`
}

func (e *Error) Error() string {
	if e.Code != "" {
		return fmt.Sprintf("%s: %s", e.Code, e.Message)
	}
	return e.Message
}

// Is tells errors of one kind to be the same.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Message == "" && other.Kind == e.Kind
}

// UnmarshalJSON reads an error report of the core.
func (e *Error) UnmarshalJSON(text []byte) error {
	type plain Error
	report := struct {
		*plain
		RetryAfterMs int64 `json:"retry_after_ms"`
	}{plain: (*plain)(e)}
	if err := json.Unmarshal(text, &report); err != nil {
		return err
	}
	e.RetryAfter = time.Duration(report.RetryAfterMs) * time.Millisecond
	return nil
}

// typed makes an [*Error] of what the native side says.
func typed(err error) error {
	var report native.Failure
	if !errors.As(err, &report) {
		return err
	}
	typed := new(Error)
	if json.Unmarshal([]byte(report), typed) != nil {
		return &Error{Kind: KindInternal, Message: string(report)}
	}
	return typed
}
