package dev.runcycles.spring;

import dev.runcycles.CyclesError;
import org.springframework.boot.diagnostics.AbstractFailureAnalyzer;
import org.springframework.boot.diagnostics.FailureAnalysis;

/** Says in two lines why an application did not start, rather than with a stack trace. */
final class CyclesFailureAnalyzer extends AbstractFailureAnalyzer<CyclesError> {
    @Override
    protected FailureAnalysis analyze(Throwable failure, CyclesError cause) {
        return new FailureAnalysis(
                cause.getMessage(), "Change what the description names: a property under cycles, an annotation or a bean.", cause);
    }
}
