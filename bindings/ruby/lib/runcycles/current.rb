# frozen_string_literal: true

module Cycles
  # The hold that the calling code is inside of. From Ruby 3.2 on it is inherited
  # by fibers and threads; before, each begins without (`Hold#within`).
  module Current
    KEY = :cycles_hold

    class << self
      if Fiber.respond_to?(:[])
        def get
          Fiber[KEY]
        end

        def set(hold)
          Fiber[KEY] = hold
        end
      else
        def get
          Thread.current[KEY]
        end

        def set(hold)
          Thread.current[KEY] = hold
        end
      end

      def within(hold)
        outer = get
        set(hold)
        yield
      ensure
        set(outer)
      end
    end
  end
end
