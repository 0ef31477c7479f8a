# frozen_string_literal: true

require_relative "runcycles/version"
require_relative "runcycles/errors"
require_relative "runcycles/library"
require_relative "runcycles/native"
require_relative "runcycles/amount"
require_relative "runcycles/documents"
require_relative "runcycles/current"
require_relative "runcycles/settlement"
require_relative "runcycles/hold"
require_relative "runcycles/guarded"
require_relative "runcycles/stream"
require_relative "runcycles/response"
require_relative "runcycles/client"

# Asks an authority before an agent spends: reserves budget before the work,
# commits what the work really cost, and gives the rest back.
#
#   Cycles.with(estimate: Cycles.tokens(600)) do |hold|
#     reply = model.call(prompt)
#     hold.actual = reply.tokens
#     reply.text
#   end
#
# Everything is done by the same native core as in the other languages: keys,
# retries, heartbeats, and the settlement journal. This package converts.
module Cycles
  @lock = Mutex.new

  class << self
    # The client of `with` and `stream`; made from the environment where none was set.
    def client
      @lock.synchronize { @client ||= Client.from_env }
    end

    # Sets it. In a server that forks, set it in the worker.
    def client=(client)
      @lock.synchronize { @client = client }
    end

    # Client#with, of the client above.
    def with(**call, &work)
      client.with(**call, &work)
    end

    # Client#stream, of the client above.
    def stream(**call, &work)
      client.stream(**call, &work)
    end

    # The hold or stream that the calling code is inside of; nil outside of one.
    def current
      Current.get
    end
  end
end
