# frozen_string_literal: true

module Cycles
  # The authority's answer to a low-level call; a refusal is one too.
  class Response
    # The HTTP status, and -1 where no answer came.
    attr_reader :status
    # The answer as received.
    attr_reader :raw
    # Names in lower case.
    attr_reader :headers
    # Why no answer came.
    attr_reader :error_message

    def initialize(text)
      document = JSON.parse(text)
      @status, @raw, @error_message = document.values_at("status", "body", "error_message")
      @headers = document["headers"].to_h
    end

    # Whether the authority did what was asked.
    def ok?
      status.between?(200, 299)
    end

    # The answer, read; nil where it is no JSON.
    def body
      JSON.parse(raw)
    rescue JSON::ParserError
      nil
    end

    # A field of the answer; nil where it has none.
    def [](name)
      body.is_a?(Hash) ? body[name.to_s] : nil
    end
  end

  # Something that happened in the background; docs/observability.md has its
  # fields by kind.
  class Notification
    # heartbeat_failure, settlement, …
    attr_reader :kind
    attr_reader :error

    def initialize(document)
      @document = document
      @kind = document["kind"]
      @error = document["error"] && Error.of(document["error"])
    end

    # A field of it.
    def [](name)
      @document[name.to_s]
    end
  end
end
