# frozen_string_literal: true

module Cycles
  # Everything this package raises.
  class Error < StandardError
    # The protocol's code, such as BUDGET_EXCEEDED, where the authority refused.
    attr_reader :code
    # The HTTP status, or what it would have been in process.
    attr_reader :status
    # Why a decision was a denial.
    attr_reader :reason_code
    # Names the request in the authority's logs.
    attr_reader :request_id
    # Names the operation across systems.
    attr_reader :trace_id
    # When a further try makes sense, in seconds; nil where nobody said.
    attr_reader :retry_after
    # Further fields of the authority's answer.
    attr_reader :details

    def initialize(message = nil, report = {})
      super(message || self.class.name)
      @code, @status, @reason_code, @request_id, @trace_id, @details =
        report.values_at("code", "status", "reason_code", "request_id", "trace_id", "details")
      @retry_after = report["retry_after_ms"]&.fdiv(1000)
    end

    # The error that an error report of the core stands for.
    def self.of(report)
      KINDS.fetch(report["kind"], InternalError).new(report["message"], report)
    end
  end

  # The authority refused; the subclasses are the refusals that callers act upon.
  class ProtocolError < Error; end
  # A budget does not have the estimate; the block did not run.
  class BudgetExceededError < ProtocolError; end
  # A budget's debt is above its overdraft limit.
  class OverdraftLimitExceededError < ProtocolError; end
  # A budget has debt and no overdraft limit; it must be funded first.
  class DebtOutstandingError < ProtocolError; end
  # The tenant is closed for good.
  class TenantClosedError < ProtocolError; end
  # The reservation's time and grace are over.
  class ReservationExpiredError < ProtocolError; end
  # The reservation was committed or released before.
  class ReservationFinalizedError < ProtocolError; end
  # The authority could not be reached, or its answer did not arrive.
  class TransportError < Error; end
  # The request breaks the protocol's rules; nothing was sent.
  class ValidationError < Error; end
  # The configuration or a seed cannot be used.
  class ConfigError < Error; end
  # This process was forked from one that had used Cycles.
  class ForkedError < ConfigError; end
  # A defect in this SDK; please report it.
  class InternalError < Error; end

  # The native library cannot be loaded; the message names platform and path.
  class LibraryError < LoadError; end

  class Error
    # By the core's names; the same in every language.
    KINDS = {
      "Protocol" => ProtocolError,
      "BudgetExceeded" => BudgetExceededError,
      "OverdraftLimitExceeded" => OverdraftLimitExceededError,
      "DebtOutstanding" => DebtOutstandingError,
      "TenantClosed" => TenantClosedError,
      "ReservationExpired" => ReservationExpiredError,
      "ReservationFinalized" => ReservationFinalizedError,
      "Transport" => TransportError,
      "Validation" => ValidationError,
      "Config" => ConfigError,
      "Internal" => InternalError
    }.freeze
  end
end
