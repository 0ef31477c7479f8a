# frozen_string_literal: true

module Cycles
  # What the work is asked to keep to; nil where it is free.
  Caps = Struct.new(:max_tokens, :max_steps_remaining, :tool_allowlist, :tool_denylist, :cooldown_ms)

  # What is known of a reservation, and how it is settled.
  module Reservation
    # How it was settled; nil until then.
    attr_reader :settlement

    # As the authority answered; empty for a call that it could not be asked about.
    def response
      context["response"] || {}
    end

    def reservation_id
      context["reservation_id"]
    end

    # ALLOW, ALLOW_WITH_CAPS or DENY.
    def decision
      context["decision"]
    end

    def estimate
      Amount.of(context["estimate"])
    end

    # What the work is asked to keep to; nil where it is free.
    def caps
      caps = context["caps"]
      caps && Caps.new(*caps.values_at(*Caps.members.map(&:to_s)))
    end

    # The budgets that the hold draws on.
    def affected_scopes
      context["affected_scopes"] || []
    end

    def balances
      context["balances"] || []
    end

    def trace_id
      context["trace_id"]
    end

    # The reservation of the call that this one is inside of.
    def parent_reservation_id
      context["parent_reservation_id"]
    end

    # Whether the authority could not be asked and nothing is held.
    def unseen?
      context["unseen"] == true
    end

    # When the reservation expires, Unix milliseconds; the heartbeat moves it.
    def expires_at_ms
      now["expires_at_ms"]
    end

    # Whether the lease is lost for certain, so that others may have the budget.
    def lease_lost?
      now["lease_lost"] == true
    end

    private

    # Read when somebody asks, which most calls do not.
    def context
      @context ||= JSON.parse(@text)
    end

    # Whatever interrupts the thread, a settlement that has begun goes on.
    def settle
      task = nil
      Thread.handle_interrupt(Object => :never) { task = yield }
      settled = Settlement.new(Native.await(task))
      @settlement ||= settled
      settled
    end
  end

  # What a call would be answered; nothing is held.
  class Evaluation
    include Reservation

    def initialize(text)
      @text = text
    end

    private

    def now
      context
    end
  end

  # Budget held for one piece of work: commit or release it. One that is forgotten
  # gives its hold back when it is collected, or with its lease.
  class Hold
    include Reservation

    # What the work has cost: a number of the estimate's unit, whose fraction is
    # rounded up, or an Amount. Without it the estimate is committed.
    attr_accessor :actual
    # Measurements to commit with: tokens_input, tokens_output, latency_ms, model_version, custom.
    attr_accessor :metrics
    # Kept with the commit.
    attr_accessor :metadata

    # Reserves; answers an Evaluation where `document` is a dry run.
    def self.reserve(client, document)
      guard = Native.make(:guard, :guard_new, client, Native.encode("the call", document), Current.get&.parent)
      text = Native.run(:guard_reserve, guard)
      document[:dry_run] ? Evaluation.new(text) : new(guard, text, document[:estimate].unit)
    end

    def initialize(guard, text, unit)
      @guard = guard
      @text = text
      @unit = unit
    end

    # Charges what the work really cost (`actual`, or the estimate) and gives the
    # rest back.
    def commit(actual = nil, metrics: nil, metadata: nil)
      @actual = actual unless actual.nil?
      @metrics ||= metrics
      @metadata ||= metadata
      settle { Native.start(:guard_commit, @guard, report) }
    end

    # Gives everything back.
    def release(reason = nil)
      settle { Native.start(:guard_release, @guard, reason&.to_s) }
    end

    # Runs the block with calls inside it being inside this one, as they are in
    # the block of `with`. For threads of your own.
    def within(&block)
      Current.within(self, &block)
    end

    # Whether work whose lease is lost is cancelled.
    def cancels?
      # Within a text the quotes would be escaped: this spares the reading.
      @text.include?('"cancels":true') && context["cancels"]
    end

    # The native call that further ones are made inside of; nil once it has settled.
    def parent
      Native.make(:parent, :guard_parent, @guard)
    end

    # Ends when the lease is lost, with the error of the cancelled work.
    def lost
      Error.of(JSON.parse(Native.run(:guard_lost, @guard)))
    end

    # Gives up work that was cancelled because its lease was lost.
    def abandon
      Native.run(:guard_abandon, @guard)
    end

    private

    # What does not encode must not keep the spend from being booked.
    def report
      Native.encode("the commit", { actual: spent, metrics: metrics, metadata: metadata }.compact)
    rescue ValidationError => e
      Native.encode("the commit", { actual: spent.is_a?(String) ? "unreadable" : spent,
                                    metadata: { not_encoded: e.message.scrub } }.compact)
    end

    # The work has run. What is no amount goes as it is: the core commits the
    # estimate and says so.
    def spent
      case actual
      when nil, Amount then actual
      when Numeric then { unit: @unit, amount: actual.ceil }
      else actual.to_s
      end
    rescue FloatDomainError, NoMethodError
      actual.to_s
    end

    def now
      JSON.parse(Native.text(:guard_context, @guard))
    end
  end
end
