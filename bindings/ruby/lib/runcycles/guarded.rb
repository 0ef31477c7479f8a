# frozen_string_literal: true

module Cycles
  # Raised in the block of `with` when its lease is lost, under the heartbeat policy "cancel".
  class LeaseLostError < ReservationExpiredError; end

  # One guarded call, from its hold to its settlement.
  module Guarded
    class << self
      # Runs the block and settles. A block that raises gives the hold back, unless
      # it has said what it cost; one that is left in any other way is committed.
      def run(hold, cost, &work)
        failure = nil
        result = Current.within(hold) { hold.cancels? ? unless_lost(hold, &work) : yield(hold) }
        hold.actual = priced(cost, result) if cost && hold.actual.nil?
        result
      rescue Exception => e # rubocop:disable Lint/RescueException
        failure = e
        raise
      ensure
        finish(hold, failure) unless hold.settlement || Native.forked?
      end

      private

      def priced(cost, result)
        cost.respond_to?(:call) ? cost.call(result) : cost
      rescue StandardError => e
        # The work has run: the core commits the estimate, and marks it.
        "raised #{e.class}"
      end

      def finish(hold, failure)
        case failure
        when LeaseLostError then hold.abandon
        when nil then hold.commit
        # The name of the error's class and not its message: that may hold what must not leave the process.
        else hold.actual.nil? ? hold.release(failure.class.name) : hold.commit
        end
      rescue Error
        # The block's value, or its error, is the caller's all the same.
      end

      # Runs the block, with a LeaseLostError in its thread when the lease is lost.
      def unless_lost(hold)
        Thread.handle_interrupt(LeaseLostError => :never) do
          watch = LeaseWatch.new(hold)
          begin
            Thread.handle_interrupt(LeaseLostError => :immediate) { yield hold }
          ensure
            watch.end
          end
        end
      end
    end
  end

  # Waits for the loss of a lease beside the work, and raises it there.
  class LeaseWatch
    def initialize(hold)
      @lock = Mutex.new
      @working = true
      worker = Thread.current
      @watcher = Thread.new { watch(hold, worker) }
      @watcher.report_on_exception = false
    end

    # From here on nothing is raised any more; what came too late is swallowed.
    # The watcher ends by itself within a tick.
    def end
      @lock.synchronize { @working = false }
      @watcher.kill
      Thread.handle_interrupt(LeaseLostError => :immediate) { Thread.pass } if Thread.pending_interrupt?(LeaseLostError)
    rescue LeaseLostError
      nil
    end

    private

    def watch(hold, worker)
      lost = hold.lost
      error = LeaseLostError.new(lost.message, "code" => lost.code, "status" => lost.status, "details" => lost.details)
      @lock.synchronize { worker.raise(error) if @working }
    end
  end
end
